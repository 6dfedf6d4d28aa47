"""Publishing a release on the Hugging Face Hub.

Belongs here: whether a release may go there (`refusing`), getting it there (`publish`), and what the Hub is asked
(`hub`). Does not belong here: what a release is made of.
"""

from dagster_project.releases.publishing.publish import Published, publish_release

__all__ = ["Published", "publish_release"]
