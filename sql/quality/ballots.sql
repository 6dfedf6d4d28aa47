-- Each annotator's scores of a whole task packed into one whole number, the ballot, so that two annotators are compared
-- by one operation on bits. Each response and attribute has a field of as many bits as the scale has levels: none
-- is set if there is no score, and else one more than there are steps above the lowest. So two scores are as far apart
-- as bits differ, and of several the highest is the union of bits and the lowest the intersection. Fields that do
-- not fit into one word go on in further ones; each annotator of a task has all words. Beside it what decides
-- whether the ballot is valid (responses rated, any flag, and a score missing in a deciding attribute), the place of its
-- annotator in the sorted order of the task's, and how many those are.
-- inputs: annotations, rubric, ballot_layout
-- grain: task_id, annotator, word
-- output: task_id, annotator, word, ballot, responses, flagged, incomplete, rank, annotators
with deciding as (
    select list(position::bigint order by position) as places
    from rubric
    where decides
),

words as (
    select
        unnest(range(ballot_layout.words))::integer as word,
        ballot_layout.highest,
        ballot_layout.levels,
        ballot_layout.attributes,
        ballot_layout.fields,
        -- One field with all bits set.
        340282366920938463463374607431768211455::uhugeint >> (128 - ballot_layout.levels)::uhugeint as field,
        deciding.places
    from ballot_layout
    cross join deciding
),

rows as (
    select
        annotations.task_id,
        annotations.annotator,
        annotations.scores,
        annotations.flags,
        words.*,
        (annotations.position::integer - 1) * words.attributes - words.word * words.fields - 1 as before
    from annotations
    cross join words
),

packed as (
    select
        task_id,
        annotator,
        word,
        list_aggregate(
            list_transform(
                scores,
                lambda score, place: if(
                    score is not null and before + place between 0 and fields - 1,
                    (field >> (highest - score)::uhugeint) << (levels * (before + place))::uhugeint,
                    0::uhugeint
                )
            ),
            'bit_or'
        ) as bits,
        len(flags) > 0 as flagged,
        list_bool_or(list_transform(places, lambda place: scores[place] is null)) as incomplete
    from rows
),

united as (
    select
        task_id,
        annotator,
        word,
        bit_or(bits) as ballot,
        count(*)::integer as responses,
        bool_or(flagged) as flagged,
        bool_or(incomplete) as incomplete
    from packed
    group by task_id, annotator, word
)

select
    *,
    row_number() over (partition by task_id, word order by annotator) as rank,
    count(*) over (partition by task_id, word) as annotators
from united
