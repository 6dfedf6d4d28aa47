"""Every table of the lake: its schema, its grain, and what each column means.

The one place where tables are described. From it come the Dagster table schema, the column
lineage, the data card's dictionary, and the column lists that expectation suites are held to.
A table that is not here cannot be written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dagster_project.lake.types import (
    BINARY,
    BOOL,
    FLOAT32,
    FLOAT64,
    INT8,
    INT16,
    INT32,
    INT64,
    MESSAGES,
    PREFERENCES,
    SCORES,
    STRING,
    TIME,
    ListOf,
    Type,
)

if TYPE_CHECKING:
    import pyarrow as pa

STRINGS = ListOf(STRING)
VECTOR = ListOf(FLOAT32)
ROW_GROUP_ROWS, TEXT_ROW_GROUP_ROWS = 122_880, 16_384


@dataclass(frozen=True)
class Column:
    """One column. ``origin`` lists the columns it is made from, as ``table.column``."""

    name: str
    type: Type
    meaning: str
    origin: tuple[str, ...] = ()
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One table: a folder of Parquet files, one folder deep for each partition dimension.

    ``parts`` says whether a partition is one file that is made again (``rebuilt``) or a set of
    files that is only ever added to (``added``). ``sought`` names the ids by which single rows are looked up though
    the table is not sorted by them.
    """

    name: str
    asset: str
    partitions: tuple[str, ...]
    grain: tuple[str, ...]
    meaning: str
    columns: tuple[Column, ...]
    parts: str = "rebuilt"
    sought: tuple[str, ...] = ()

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema that every part has."""
        return arrow_schema(self.columns)

    @property
    def row_group_rows(self) -> int:
        """Rows of a row group where a table is written at once: few with whole conversations.

        Whoever looks one row up reads its group, and a conversation takes a hundred times the room of a rating.
        """
        return TEXT_ROW_GROUP_ROWS if any(column.type == MESSAGES for column in self.columns) else ROW_GROUP_ROWS

    @cached_property
    def column_names(self) -> list[str]:
        """Column names in stored order."""
        return [column.name for column in self.columns]


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Return the Arrow schema of columns in this order."""
    import pyarrow as pa  # noqa: PLC0415 - loads slowly

    return pa.schema([pa.field(column.name, column.type.arrow, nullable=column.nullable) for column in columns])


def _same(table: str, *names: str) -> tuple[Column, ...]:
    """Columns carried over unchanged from another table."""
    known = {column.name: column for column in TABLES[table].columns}
    return tuple(
        Column(name, known[name].type, known[name].meaning, (f"{table}.{name}",), known[name].nullable)
        for name in names
    )


TABLES: dict[str, Table] = {}


def _table(
    name: str,
    asset: str,
    partitions: tuple[str, ...],
    grain: tuple[str, ...],
    meaning: str,
    *columns: Column,
    parts: str = "rebuilt",
    sought: tuple[str, ...] = (),
) -> None:
    TABLES[name] = Table(name, asset, partitions, grain, meaning, columns, parts, sought)


_table(
    "raw_prompts",
    "raw_prompts",
    ("prompt_batch",),
    ("intake_number",),
    "Prompts as delivered, numbered in order of intake; a row that breaks a rule carries it.",
    Column("prompt_batch", STRING, "the intake that brought the prompt"),
    Column("intake_number", INT64, "order of intake over all batches, from 1"),
    Column("prompt_id", STRING, "hash of the messages: the same prompt has the same id everywhere"),
    Column("file", STRING, "name of the delivered file"),
    Column("row_number", INT64, "row in that file, from 1"),
    Column("source", STRING, "where the prompt comes from"),
    Column("licence", STRING, "the source's licence"),
    Column("messages", MESSAGES, "the user's turns, or the conversation if so configured; ends with the user"),
    Column("extra", STRING, "the delivered row's other fields, as JSON", nullable=True),
    Column("defect", STRING, "the rule that the row breaks", nullable=True),
    sought=("prompt_id",),
)

_table(
    "prompt_signatures",
    "curated_prompts",
    ("prompt_batch",),
    ("intake_number",),
    "What each prompt is compared by; it follows from the prompt alone.",
    *_same("raw_prompts", "prompt_batch", "intake_number", "prompt_id"),
    Column("text_hash", INT64, "hash of the letters and digits", ("raw_prompts.messages",)),
    Column("signature", BINARY, "a byte of each of 128 MinHash minima", ("raw_prompts.messages",)),
)

_table(
    "prompt_verdicts",
    "curated_prompts",
    ("prompt_batch",),
    ("intake_number",),
    "What the filters and the benchmarks say of each prompt; other prompts play no part.",
    *_same("raw_prompts", "prompt_batch", "intake_number"),
    Column("language", STRING, "ISO 639-1 code; null where nobody asked", ("raw_prompts.messages",), True),
    Column("reason", STRING, "the first filter that excludes it", ("raw_prompts.messages",), nullable=True),
    Column("detail", STRING, "the figure or rule behind it", ("raw_prompts.messages",), nullable=True),
)

_table(
    "prompt_clusters",
    "curated_prompts",
    ("prompt_batch",),
    ("intake_number",),
    "The earlier prompt that each sound prompt is most like; it follows from this batch and those taken in before.",
    *_same("raw_prompts", "prompt_batch", "intake_number"),
    Column("same_text", INT64, "first prompt with the same messages", ("raw_prompts.messages",)),
    Column("same_letters", INT64, "first prompt with the same letters and digits", ("raw_prompts.messages",)),
    Column("nearest", INT64, "most similar earlier prompt, if similar enough", ("raw_prompts.messages",), True),
    Column("similarity", FLOAT32, "Jaccard similarity to it", ("raw_prompts.messages",), True),
    Column(
        "cluster",
        STRING,
        "prompt_id of its cluster's first prompt; null where filters exclude it",
        ("raw_prompts.prompt_id",),
        True,
    ),
    Column("touches", STRINGS, "other clusters that it is similar to as well", ("raw_prompts.prompt_id",)),
)

_table(
    "curated_prompts",
    "curated_prompts",
    ("prompt_batch",),
    ("intake_number",),
    "Each delivered prompt, kept or excluded with a reason.",
    *_same("raw_prompts", "prompt_batch", "intake_number", "prompt_id", "source", "licence", "messages"),
    Column("turns", INT32, "user turns", ("raw_prompts.messages",)),
    Column("chars", INT64, "characters over all turns", ("raw_prompts.messages",)),
    Column("kept", BOOL, "goes on to selection", ("raw_prompts.messages", "raw_prompts.defect")),
    Column("reason", STRING, "why it was excluded", ("raw_prompts.messages", "raw_prompts.defect"), nullable=True),
    Column("detail", STRING, "the figure or rule behind the reason", ("raw_prompts.defect",), nullable=True),
    Column(
        "duplicate_of",
        INT64,
        "intake number of the earlier prompt that it is like",
        ("raw_prompts.messages",),
        True,
    ),
    Column(
        "similarity",
        FLOAT32,
        "to the most similar earlier prompt; null if none is",
        ("raw_prompts.messages",),
        True,
    ),
    Column(
        "cluster",
        STRING,
        "prompt_id of its cluster's first prompt; null where filters exclude it",
        ("raw_prompts.prompt_id",),
        True,
    ),
    Column("touches", STRINGS, "other clusters that it is similar to as well", ("raw_prompts.prompt_id",)),
    Column("language", STRING, "ISO 639-1 code; null where nobody asked", ("raw_prompts.messages",), nullable=True),
)

_table(
    "prompt_embeddings",
    "selected_prompts",
    ("prompt_batch",),
    ("prompt_id",),
    "The embedding of each kept prompt, where an embedding model is configured; one paid for is never asked twice.",
    *_same("curated_prompts", "prompt_batch", "prompt_id"),
    Column("request_hash", STRING, "hash of text and model, by which journals know it", ("curated_prompts.messages",)),
    Column("embedding_model", STRING, "slug in models.yaml"),
    Column(
        "vector", VECTOR, "as the endpoint gave it; null if it refused the text", ("curated_prompts.messages",), True
    ),
    Column("reason", STRING, "why there is none", nullable=True),
    parts="added",
)

_table(
    "topics",
    "selected_prompts",
    ("prompt_batch",),
    ("topic_id",),
    "Each topic with the batch that founded it. Topics are only ever added: none is renamed, moved or merged.",
    Column("prompt_batch", STRING, "the batch that founded it", ("curated_prompts.prompt_batch",)),
    Column("topic_id", STRING, "hash of the prompts that founded it", ("curated_prompts.prompt_id",)),
    Column("label", STRING, "its typical words", ("curated_prompts.messages",)),
    Column("words", STRINGS, "words by weight, the most typical first (c-TF-IDF)", ("curated_prompts.messages",)),
    Column("examples", STRINGS, "prompt ids that stand for it, the most typical first", ("curated_prompts.prompt_id",)),
    Column("size", INT64, "prompts that founded it", ("curated_prompts.prompt_id",)),
    Column("centroid", VECTOR, "mean of their vectors, in that day's space", ("curated_prompts.messages",)),
    Column("space", STRING, "slug of the embedding model, or `words` for TF-IDF and SVD"),
    parts="added",
)

_table(
    "prompt_topics",
    "selected_prompts",
    ("prompt_batch",),
    ("prompt_id",),
    "The topic of each kept prompt. An assignment is never changed.",
    *_same("curated_prompts", "prompt_batch", "prompt_id"),
    Column("topic_id", STRING, "the topic; null if the prompt has no vector", ("curated_prompts.messages",), True),
    Column("similarity", FLOAT64, "cosine to the topic's centroid", ("curated_prompts.messages",), nullable=True),
    Column("is_far", BOOL, "unlike every topic, yet too few of its kind for one", ("curated_prompts.messages",)),
    parts="added",
)

_table(
    "prompt_complexity",
    "selected_prompts",
    ("prompt_batch",),
    ("prompt_id",),
    "How complex each kept prompt is, from 1 to 5: by the judge where one is configured, otherwise by rule.",
    *_same("curated_prompts", "prompt_batch", "prompt_id"),
    Column("level", INT8, "1 to 5: the judge's, or the rule's where it said none", ("curated_prompts.messages",)),
    Column("by_rule", INT8, "1 to 5 by the rule over the text", ("curated_prompts.messages",)),
    Column("by_judge", INT8, "1 to 5 by the judge", ("curated_prompts.messages",), nullable=True),
    Column("judge", STRING, "slug of the judge; null if none is configured", nullable=True),
    Column("reason", STRING, "why the judge said none", nullable=True),
)

_table(
    "selected_prompts",
    "selected_prompts",
    ("prompt_batch",),
    ("prompt_id",),
    "Kept prompts, selected or not; the selected ones are whole conversations that end with the user.",
    *_same("curated_prompts", "prompt_batch", "prompt_id", "intake_number", "source", "licence"),
    Column("messages", MESSAGES, "the conversation, assistant turns filled in", ("curated_prompts.messages",)),
    Column("conversation_hash", STRING, "hash of the messages that were asked", ("curated_prompts.messages",)),
    Column("turns", INT32, "user turns", ("curated_prompts.turns",)),
    Column("topic_id", STRING, "the topic", ("curated_prompts.messages",), nullable=True),
    Column("complexity", INT8, "1 to 5", ("curated_prompts.messages",), nullable=True),
    Column("place", INT64, "in the order of selection, from 1", ("curated_prompts.prompt_id",), nullable=True),
    Column("selected", BOOL, "goes on to the models", ("curated_prompts.prompt_id",)),
    Column("reason", STRING, "why it was not selected", ("curated_prompts.prompt_id",), nullable=True),
    Column("completion_model", STRING, "the model that wrote the assistant turns; null if there are none", (), True),
    Column("completion_licence", STRING, "that model's licence", (), nullable=True),
    Column("completion_may_train", BOOL, "that model's terms let outputs train others", (), nullable=True),
)

_table(
    "responses",
    "responses",
    ("model", "prompt_batch"),
    ("model", "prompt_id", "sample_index"),
    "One answer, or one failure with its reason, for each selected prompt and sample.",
    Column("model", STRING, "slug in models.yaml"),
    *_same("selected_prompts", "prompt_batch", "prompt_id", "conversation_hash"),
    Column("sample_index", INT16, "sample of this prompt, from 0"),
    Column("response_id", STRING, "hash of model, prompt and request", ("selected_prompts.messages",)),
    Column("request_hash", STRING, "hash of all that was asked", ("selected_prompts.messages",)),
    Column("status", STRING, "`ok` or `failed`"),
    Column("reason", STRING, "why it failed", nullable=True),
    Column("response", STRING, "the answer", ("selected_prompts.messages",), nullable=True),
    Column("reasoning", STRING, "what the model thought before it, where the server tells", nullable=True),
    Column("finish_reason", STRING, "as the server gave it: `stop`, `length` …", nullable=True),
    Column("prompt_tokens", INT32, "tokens read", nullable=True),
    Column("completion_tokens", INT32, "tokens written, reasoning included", nullable=True),
    Column("reasoning_tokens", INT32, "tokens of the reasoning among them", nullable=True),
    Column("cost_usd", FLOAT64, "US dollars, at the prices of that day"),
    Column("endpoint", STRING, "slug in models.yaml; null for answers from before it was kept", nullable=True),
    Column("model_name", STRING, "the name sent to the endpoint"),
    Column("revision", STRING, "the weights' revision"),
    Column("parameters", STRING, "sampling parameters and system prompt, as JSON"),
    Column("licence", STRING, "the model's licence on that day"),
    Column("outputs_may_train", BOOL, "whether its terms let outputs train other models"),
    Column("attempts", INT16, "requests sent for this answer"),
    Column("seconds", FLOAT64, "from request to answer", nullable=True),
    Column("answered_at", TIME, "when the answer was written down; null if there is none to keep", nullable=True),
    sought=("response_id",),
)

_table(
    "annotation_tasks",
    "annotation_tasks",
    ("campaign",),
    ("task_id", "position"),
    "The responses of each task in shown order, frozen when exported.",
    Column("campaign", STRING, "slug in campaigns.yaml"),
    Column("task_id", STRING, "the task", ("responses.response_id",)),
    Column("position", INT8, "place in shown order, from 1", ("responses.response_id",)),
    Column("prompt_id", STRING, "the prompt", ("responses.prompt_id",)),
    Column("response_id", STRING, "the response", ("responses.response_id",)),
    Column("messages", MESSAGES, "the conversation up to the response", ("selected_prompts.messages",)),
    Column("response", STRING, "the response", ("responses.response",)),
    Column("model", STRING, "who wrote it; null if unknown", ("responses.model",), nullable=True),
    Column("model_name", STRING, "the name sent to the endpoint", ("responses.model_name",), nullable=True),
    Column("revision", STRING, "the weights' revision", ("responses.revision",), nullable=True),
    Column("parameters", STRING, "sampling parameters, as JSON", ("responses.parameters",), nullable=True),
    Column("request_hash", STRING, "the request", ("responses.request_hash",), nullable=True),
    Column("model_licence", STRING, "the model's licence then", ("responses.licence",), nullable=True),
    Column("outputs_may_train", BOOL, "the model's terms then", ("responses.outputs_may_train",), nullable=True),
    Column("source", STRING, "the prompt's source", ("selected_prompts.source",)),
    Column("source_licence", STRING, "the prompt's licence", ("selected_prompts.licence",)),
    Column("completion_model", STRING, "who wrote the turns in between", ("selected_prompts.completion_model",), True),
    Column("completion_licence", STRING, "that model's licence", ("selected_prompts.completion_licence",), True),
    Column("completion_may_train", BOOL, "its terms", ("selected_prompts.completion_may_train",), True),
    Column("vendor", STRING, "who rates the task"),
    Column("guideline_version", STRING, "the guideline it is rated under"),
    Column("rubric_hash", STRING, "hash of the rubric's attributes in order, scale and flags"),
    Column("annotators", INT8, "annotators ordered in the first round"),
    parts="added",
    sought=("prompt_id", "response_id"),
)

_table(
    "control_tasks",
    "annotation_tasks",
    ("campaign",),
    ("task_id", "position"),
    "Tasks that test annotators, mixed in with the campaign's own: gold and repeated ones.",
    Column("campaign", STRING, "slug in campaigns.yaml"),
    Column("task_id", STRING, "the control task"),
    Column("position", INT8, "place in shown order, from 1"),
    Column("kind", STRING, "`gold` or `repeat`"),
    Column("response_id", STRING, "the response's id within the control task"),
    Column("messages", MESSAGES, "the conversation up to the response"),
    Column("response", STRING, "the response"),
    Column("annotators", INT8, "annotators ordered"),
    Column("expected", SCORES, "of gold: the ratings it should get, in the rubric's order", nullable=True),
    Column("of_task_id", STRING, "of a repeat: the task that it repeats", ("annotation_tasks.task_id",), True),
    Column("of_response_id", STRING, "of a repeat: the response", ("annotation_tasks.response_id",), True),
    parts="added",
)

_table(
    "intake",
    "deliveries",
    ("campaign",),
    ("delivery_id",),
    "One row for each delivered file that has rows of the campaign, with what became of them.",
    Column("campaign", STRING, "slug in campaigns.yaml"),
    Column("delivery_id", STRING, "hash of the file's bytes"),
    Column("vendor", STRING, "who delivered it"),
    Column("file", STRING, "the file's name in the inbox"),
    Column("bytes", INT64, "the file's size"),
    Column("file_rows", INT64, "annotations in the file, over all campaigns"),
    Column("rows", INT64, "rows accounted for in this campaign"),
    Column("accepted", INT64, "of these, rows in the canonical shape"),
    Column("quarantined", INT64, "of these, rows that break a rule"),
    Column("simulated", BOOL, "the vendor is a program that rates by dice"),
    Column("received_at", TIME, "when the file was taken in"),
    parts="added",
)

_table(
    "deliveries",
    "deliveries",
    ("campaign",),
    ("delivery_id", "row_number"),
    "Each accepted row of each delivered file in the canonical shape: one annotator's ratings of one response.",
    Column("campaign", STRING, "slug in campaigns.yaml", ("annotation_tasks.campaign",)),
    Column("delivery_id", STRING, "hash of the file's bytes"),
    Column("row_number", INT64, "number of the annotation in the file, from 1"),
    Column("task_id", STRING, "the task", ("annotation_tasks.task_id",)),
    Column("response_id", STRING, "the response", ("annotation_tasks.response_id",)),
    Column("annotator", STRING, "keyed pseudonym of the worker"),
    Column("vendor", STRING, "who delivered it"),
    Column("scores", SCORES, "one rating an attribute, in the rubric's order; null where missing"),
    Column("flags", STRINGS, "reasons for which the response could not be rated"),
    Column("preference", INT8, "-3..-1 or 1..3: the first or the last response is better", nullable=True),
    Column("justification", STRING, "the annotator's words on the preference", nullable=True),
    Column("submitted_at", TIME, "when the annotator submitted, by the vendor's clock"),
    Column("revision", INT32, "the vendor's revision number, from 1"),
    Column("withdrawn", BOOL, "the vendor takes this annotation back"),
    Column("round", INT8, "the order that it answers, from 1"),
    Column("guideline_version", STRING, "the guideline it was made under", ("annotation_tasks.guideline_version",)),
    Column("seconds", FLOAT32, "time spent, if the vendor tells", nullable=True),
    Column("simulated", BOOL, "made by a program that rates by dice"),
    Column("source_row", INT64, "row of the file that it stood in, from 1", nullable=True),
    parts="added",
    sought=("task_id",),
)

_table(
    "quarantine",
    "deliveries",
    ("campaign",),
    ("delivery_id", "row_number"),
    "Each delivered annotation that breaks a rule, with the rule; all that it said stays in the vault.",
    Column("campaign", STRING, "the campaign that it was delivered for"),
    Column("delivery_id", STRING, "hash of the file's bytes"),
    Column("file", STRING, "the file's name in the inbox"),
    Column("row_number", INT64, "number of the annotation in the file, from 1"),
    Column("rule", STRING, "the rule it breaks, in one word"),
    Column("message", STRING, "what is wrong, and what to do"),
    Column("source_row", INT64, "row of the file that it stood in, from 1", nullable=True),
    Column("text", STRING, "what it said, without all that may be a name; null if it could not be read", nullable=True),
    parts="added",
)

_table(
    "annotations",
    "annotations",
    ("campaign",),
    ("task_id", "response_id", "annotator"),
    "All deliveries merged: the latest rating of each response by each annotator.",
    *_same(
        "deliveries",
        *("campaign", "task_id", "response_id", "annotator", "vendor", "scores", "flags", "preference"),
        *("justification", "submitted_at", "revision", "round", "guideline_version", "seconds", "simulated"),
        *("delivery_id", "row_number"),
    ),
    Column("position", INT8, "place of the response in shown order", ("annotation_tasks.position",)),
)

_table(
    "annotation_fates",
    "annotations",
    ("campaign",),
    ("delivery_id", "row_number"),
    "What became of each delivered row: accounted for exactly once.",
    Column("campaign", STRING, "slug in campaigns.yaml", ("deliveries.campaign",)),
    Column("delivery_id", STRING, "hash of the file's bytes", ("deliveries.delivery_id",)),
    Column("row_number", INT64, "row in the file", ("deliveries.row_number",)),
    Column(
        "fate",
        STRING,
        "`used`, `control`, `superseded`, `duplicate`, `withdrawn` or `quarantined`",
        ("deliveries.submitted_at", "deliveries.revision", "quarantine.rule"),
    ),
    Column("rule", STRING, "the rule behind it; null if used", ("quarantine.rule",), nullable=True),
)

_table(
    "control_annotations",
    "annotations",
    ("campaign",),
    ("task_id", "response_id", "annotator"),
    "What annotators said of control tasks, beside what is known of them.",
    *_same("deliveries", "campaign", "task_id", "response_id", "annotator", "scores"),
    Column("kind", STRING, "`gold` or `repeat`", ("control_tasks.kind",)),
    Column("expected", SCORES, "of gold: the ratings it should get", ("control_tasks.expected",), True),
    Column("of_task_id", STRING, "of a repeat: the task that it repeats", ("control_tasks.of_task_id",), True),
    Column("of_response_id", STRING, "of a repeat: the response", ("control_tasks.of_response_id",), True),
)

_table(
    "delivery_accounts",
    "annotations",
    ("campaign",),
    ("delivery_id",),
    "Each delivered file's account, and that of all files: what came, and what became of it.",
    Column("campaign", STRING, "slug in campaigns.yaml", ("deliveries.campaign",)),
    Column("delivery_id", STRING, "hash of the file's bytes; `total` for all of them", ("deliveries.delivery_id",)),
    Column("file", STRING, "the file's name in the inbox; null for the total", ("intake.file",), nullable=True),
    Column("delivered", INT64, "annotations of the campaign that came", ("intake.rows",)),
    *(
        Column(fate, INT64, f"of these, how many are {fate}", ("annotation_fates.fate",))
        for fate in ("used", "control", "superseded", "duplicate", "withdrawn", "quarantined")
    ),
    Column("unaccounted", INT64, "what is left over; 0, or rows were lost", ("annotation_fates.fate",)),
)

_table(
    "annotator_quality",
    "annotator_quality",
    ("campaign",),
    ("annotator",),
    "Each annotator's record in the campaign, and whether the ratings can be trusted, by rule.",
    Column("campaign", STRING, "slug in campaigns.yaml", ("annotations.campaign",)),
    Column("annotator", STRING, "keyed pseudonym", ("annotations.annotator",)),
    Column("vendor", STRING, "who employs the annotator", ("annotations.vendor",)),
    Column("tasks", INT64, "tasks rated", ("annotations.task_id",)),
    Column("deviation", FLOAT64, "mean absolute distance from the others' mean", ("annotations.scores",), True),
    Column("bias", FLOAT64, "mean signed distance from the others' mean", ("annotations.scores",), True),
    Column("straight_lining", FLOAT64, "share of tasks rated with one number", ("annotations.scores",), True),
    Column("identical", FLOAT64, "highest share of tasks rated as one other", ("annotations.scores",), True),
    Column("identical_with", STRING, "that other annotator", ("annotations.annotator",), nullable=True),
    Column("shared_tasks", INT64, "tasks shared with that other", ("annotations.task_id",)),
    Column("flagged", FLOAT64, "share of responses flagged as invalid", ("annotations.flags",)),
    Column("trusted", BOOL, "by all rules", ("annotations.scores",)),
    Column("rule", STRING, "the first rule broken", ("annotations.scores",), nullable=True),
    Column("figure", FLOAT64, "the figure that breaks it", ("annotations.scores",), nullable=True),
    Column("threshold", FLOAT64, "what the rule allows", (), nullable=True),
    Column("ratings", INT64, "numbers given", ("annotations.scores",), nullable=True),
    Column("seconds_per_task", FLOAT64, "median time for a task", ("annotations.seconds",), nullable=True),
    Column("agreement", FLOAT64, "share of the others' ratings that are the same", ("annotations.scores",), True),
    Column("agreement_low", FLOAT64, "lower end of its interval at 95 %", ("annotations.scores",), True),
    Column("agreement_high", FLOAT64, "upper end of its interval at 95 %", ("annotations.scores",), True),
    Column(
        "first_preferred",
        FLOAT64,
        "share of preferences for what was shown first",
        ("annotations.preference",),
        True,
    ),
    Column("gold_accuracy", FLOAT64, "share of gold ratings as expected", ("control_annotations.scores",), True),
    Column("self_consistency", FLOAT64, "share of ratings given again", ("control_annotations.scores",), True),
    Column("preferences", INT64, "preferences given", ("annotations.preference",), nullable=True),
    Column("identical_by_chance", FLOAT64, "`identical` of all other pairs together", ("annotations.scores",), True),
)

_table(
    "top_up_tasks",
    "top_up_tasks",
    ("campaign",),
    ("round", "task_id"),
    "The ledger of orders for further annotators: one part a round, never ordered twice.",
    Column("campaign", STRING, "slug in campaigns.yaml", ("annotation_tasks.campaign",)),
    Column("round", INT8, "order number, from 2; the first round is the tasks themselves"),
    Column("task_id", STRING, "the task", ("annotation_tasks.task_id",)),
    Column("annotators", INT8, "further annotators ordered", ("annotations.annotator",)),
    Column("reason", STRING, "`disputed` or `replacement`", ("annotations.scores", "annotator_quality.trusted")),
    parts="added",
)

_table(
    "campaign_closings",
    "top_up_tasks",
    ("campaign",),
    ("campaign",),
    "Campaigns that take no more ratings.",
    Column("campaign", STRING, "slug in campaigns.yaml"),
    Column("closed_at", TIME, "when it was closed"),
    parts="added",
)

_table(
    "retained_annotations",
    "retained_annotations",
    ("campaign",),
    ("task_id", "response_id", "annotator"),
    "Every annotation with the stage that it reached and the reason.",
    *_same("annotations", *(c.name for c in TABLES["annotations"].columns)),
    Column(
        "stage",
        STRING,
        "the step that decided: `validity`, `trust`, `coverage`, `closest`, `dispute`, `kept`",
        ("annotations.scores", "annotations.flags", "annotator_quality.trusted"),
    ),
    Column(
        "reason",
        STRING,
        "why it left; null if kept",
        ("annotations.scores", "annotations.flags", "annotator_quality.trusted"),
        nullable=True,
    ),
    Column("preference_retained", BOOL, "the preference is among the closest", ("annotations.preference",)),
)

_table(
    "agreement",
    "agreement",
    ("campaign",),
    ("stage", "attribute", "statistic", "estimator"),
    "Agreement at each stage, beside what the same selection gives on shuffled ratings.",
    Column("campaign", STRING, "slug in campaigns.yaml", ("retained_annotations.campaign",)),
    Column(
        "stage",
        STRING,
        "`collected`, `trusted`, `closest` or `retained`: the annotations that are left",
        ("retained_annotations.stage",),
    ),
    Column("attribute", STRING, "attribute of the rubric; `*` where it concerns all"),
    Column("statistic", STRING, "which figure: a kappa, an alpha, AC2, a share of pairs that agree, ICC, retention"),
    Column("estimator", STRING, "`pooled`, `fixed_slots`, or `none` where there is no choice"),
    Column("value", FLOAT64, "the figure; null if undefined", ("retained_annotations.scores",), nullable=True),
    Column("low", FLOAT64, "lower end of its 95 % interval", ("retained_annotations.scores",), nullable=True),
    Column("high", FLOAT64, "upper end of its 95 % interval", ("retained_annotations.scores",), nullable=True),
    Column("shuffled", FLOAT64, "its mean on shuffled ratings", ("retained_annotations.scores",), nullable=True),
    Column("shuffled_low", FLOAT64, "lower end of that", ("retained_annotations.scores",), nullable=True),
    Column("shuffled_high", FLOAT64, "upper end of that", ("retained_annotations.scores",), nullable=True),
    Column("lift", FLOAT64, "figure less shuffled figure", ("retained_annotations.scores",), nullable=True),
    Column("lift_low", FLOAT64, "lower end of the lift", ("retained_annotations.scores",), nullable=True),
    Column("lift_high", FLOAT64, "upper end of the lift", ("retained_annotations.scores",), nullable=True),
    Column("units", INT64, "responses (for retention: tasks or annotations) behind it", nullable=False),
    Column("pairs", INT64, "pairs of ratings behind it", nullable=True),
    Column("warning", STRING, "what a reader must know before taking the figure at its face", nullable=True),
)

_table(
    "agreement_counts",
    "agreement",
    ("campaign",),
    ("shuffle", "stage", "slice", "bucket", "attribute", "quantity", "slots", "raters", "first", "second"),
    "Whole numbers from which every figure of agreement follows; those of several campaigns add up.",
    Column("campaign", STRING, "slug in campaigns.yaml", ("retained_annotations.campaign",)),
    Column("shuffle", INT32, "0: the ratings as they are; from 1 on: the shuffles"),
    Column("stage", STRING, "the annotations that are left, as in `agreement`", ("retained_annotations.stage",)),
    Column(
        "slice",
        STRING,
        "`model=…` or `topic=…`: of such responses alone; empty: of all",
        ("annotation_tasks.model", "annotation_tasks.prompt_id"),
    ),
    Column(
        "bucket",
        INT32,
        "0 to 199, within a slice 0 to 19, by a hash of the task's id",
        ("retained_annotations.task_id",),
    ),
    Column("attribute", STRING, "attribute of the rubric; `*` where it concerns all"),
    Column("quantity", STRING, "`pairs` of annotators, pairs of fixed `slots`, `tasks`, `annotations`"),
    Column("slots", STRING, "the two fixed annotators; empty for all", ("retained_annotations.annotator",)),
    Column("raters", INT32, "annotators of the response; if there is one alone, `count` is of responses"),
    Column("first", INT32, "one score, in steps above the lowest", ("retained_annotations.scores",)),
    Column("second", INT32, "the other; the higher one, unless slots are fixed", ("retained_annotations.scores",)),
    Column("count", INT64, "how often", ("retained_annotations.scores",)),
)

_table(
    "consensus",
    "consensus",
    ("campaign",),
    ("task_id", "response_id"),
    "The published rating of each response within its task.",
    *_same("retained_annotations", "campaign", "task_id", "response_id", "position"),
    Column("scores", SCORES, "mean of those kept, rounded half up; null below two", ("retained_annotations.scores",)),
    Column("spreads", SCORES, "highest minus lowest of those kept", ("retained_annotations.scores",)),
    Column("n_annotators", INT8, "annotators kept", ("retained_annotations.annotator",)),
    Column("simulated", BOOL, "any rating behind it is simulated", ("retained_annotations.simulated",)),
)

_table(
    "aggregations",
    "consensus",
    ("campaign",),
    ("task_id", "response_id", "attribute"),
    "The whole distribution of the trusted ratings of each response, and other ways to one rating than the consensus.",
    Column("campaign", STRING, "slug in campaigns.yaml", ("retained_annotations.campaign",)),
    *_same("retained_annotations", "task_id", "response_id"),
    Column("attribute", STRING, "attribute of the rubric"),
    Column("ratings", INT64, "trusted ratings", ("retained_annotations.scores",)),
    Column(
        "distribution",
        ListOf(FLOAT64),
        "share of each level, from the lowest; a soft label",
        ("retained_annotations.scores",),
    ),
    Column("entropy", FLOAT64, "of the distribution, in bits", ("retained_annotations.scores",)),
    Column("mean", FLOAT64, "mean; null if not configured", ("retained_annotations.scores",), nullable=True),
    Column("median", FLOAT64, "median; null if not configured", ("retained_annotations.scores",), nullable=True),
    Column(
        "dawid_skene",
        FLOAT64,
        "the likeliest level; null likewise",
        ("retained_annotations.scores",),
        nullable=True,
    ),
    Column(
        "annotator_model",
        FLOAT64,
        "level under annotators with bias and variance; or null",
        ("retained_annotations.scores",),
        nullable=True,
    ),
)

_table(
    "preferences",
    "consensus",
    ("campaign",),
    ("task_id",),
    "The preference of each published task that was asked for one, or the reason why it has none.",
    Column("campaign", STRING, "slug in campaigns.yaml", ("retained_annotations.campaign",)),
    Column("task_id", STRING, "the task", ("retained_annotations.task_id",)),
    Column(
        "strength",
        INT8,
        "-3..-1 or 1..3; null if there is none",
        ("retained_annotations.preference",),
        nullable=True,
    ),
    Column(
        "reason",
        STRING,
        "`too_few`, `disputed` or `tie`; null if there is one",
        ("retained_annotations.preference",),
        True,
    ),
    Column(
        "statement",
        STRING,
        "a retained justification nearest to the mean",
        ("retained_annotations.justification",),
        True,
    ),
    Column("all_preferences", PREFERENCES, "every trusted preference", ("retained_annotations.preference",)),
)

_table(
    "personal_data",
    "",
    ("campaign",),
    ("task_id", "part", "response_id", "turn", "annotator", "start", "entity"),
    "Where personal data was found in the texts of a campaign; never what it says.",
    Column("campaign", STRING, "slug in campaigns.yaml"),
    Column("task_id", STRING, "the task"),
    Column("part", STRING, "`prompt`, `response` or `justification`"),
    Column("response_id", STRING, "the response, or the one that the justification came with", nullable=True),
    Column("turn", INT64, "turn of the conversation, from 1, in a prompt", nullable=True),
    Column("annotator", STRING, "whose justification it is", nullable=True),
    Column("start", INT64, "first character of the finding, from 0"),
    Column("length", INT64, "characters of the finding"),
    Column("entity", STRING, "what it is, by Presidio's name"),
)

_table(
    "expectation_results",
    "",
    ("table",),
    ("table", "partition", "content_hash", "suite_hash", "expectation"),
    "What each expectation found, for exactly the bytes it read.",
    Column("table", STRING, "the table"),
    Column("partition", STRING, "the partition key"),
    Column("content_hash", STRING, "hash of the partition's files"),
    Column("suite_hash", STRING, "hash of the suite's content"),
    Column("expectation", STRING, "the check's name"),
    Column("severity", STRING, "`critical`, `warning` or `info`"),
    Column("passed", BOOL, "whether it holds"),
    Column("element_count", INT64, "rows looked at", nullable=True),
    Column("unexpected_count", INT64, "rows that break it", nullable=True),
    Column("observed", STRING, "the observed value, as JSON", nullable=True),
    Column("sample", STRING, "some values that break it, as JSON", nullable=True),
    Column("error", STRING, "why it could not be evaluated", nullable=True),
    parts="added",
)
