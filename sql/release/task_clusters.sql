-- The clusters of near-duplicates of the tasks' prompts, as far as curation knows them.
-- inputs: prompt_clusters_known, annotation_tasks
-- grain: prompt_id
-- output: prompt_id, cluster, touches
select prompt_id, cluster, touches
from prompt_clusters_known
semi join annotation_tasks using (prompt_id)
order by prompt_id
