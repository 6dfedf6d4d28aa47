-- One row a released task, as exporters take it: its responses side by side, which of them is better and by how
-- much, and why a format cannot have it. `strength` is -n where the first is better, n where the second is: the
-- published preference, or, where pairs are made by rating, the difference of the first deciding attribute.
-- A reason is null where formats of a kind have the task: `pair` for chosen and rejected, `single_turn` for the same
-- with nothing but a question before, `preference` for preferences as annotators gave them; `flat_preference`,
-- `flat_rows` and `flat_labels` for text with HelpSteer2's turn markers, which nobody can tell from markers that the
-- text itself holds. `equal_ratings` says where two responses have the same first deciding attribute.
-- inputs: rated_rows, preferences_given, task_notes
-- parameters: pairs_by_preference, deciding
-- grain: task_id
-- output: place, task_id, prompt, messages, response_1, response_2, scores_1, scores_2, strength, statement,
--   all_preferences, pair, single_turn, preference, flat_preference, flat_rows, flat_labels,
--   equal_ratings
with ends as (
    select task_id, min(place) as place, max(place) as last_place
    from rated_rows
    group by task_id
),

side_by_side as (
    select
        ends.place,
        ends.task_id,
        shown_first.prompt,
        shown_first.messages,
        shown_first.response as response_1,
        shown_last.response as response_2,
        shown_first.scores as scores_1,
        shown_last.scores as scores_2
    from ends
    join rated_rows as shown_first using (place)
    left join rated_rows as shown_last on ends.last_place = shown_last.place and ends.last_place > ends.place
),

judged as (
    select
        side_by_side.*,
        preferences_given.statement,
        preferences_given.all_preferences,
        task_notes.preference_reason,
        if(
            $pairs_by_preference,
            preferences_given.strength,
            side_by_side.scores_2[$deciding] - side_by_side.scores_1[$deciding]
        ) as strength,
        contains(side_by_side.response_1, '<extra_id_')
        or contains(coalesce(side_by_side.response_2, ''), '<extra_id_')
        or list_bool_or(
            list_transform(side_by_side.messages, lambda message: contains(message.content, '<extra_id_'))
        ) as holds_marker,
        len(list_filter(side_by_side.messages, lambda message: message.role <> 'system')) = 1 as is_single_turn
    from side_by_side
    left join preferences_given using (task_id)
    left join task_notes using (task_id)
),

reasoned as (
    select
        *,
        case
            when response_2 is null then 'one_response'
            when strength = 0 then 'tie'
            when strength is null and $pairs_by_preference then coalesce(preference_reason, 'no_preference')
            when strength is null then 'not_rated'
        end as pair,
        case
            when list_count(scores_1) = 0 or (response_2 is not null and list_count(scores_2) = 0) then 'not_rated'
        end as unrated,
        case
            when response_2 is null then 'one_response'
            when list_count(scores_1) < len(scores_1) or list_count(scores_2) < len(scores_2) then 'not_rated'
        end as incomplete,
        if(holds_marker, 'turn_marker_in_text', null) as marked
    from judged
)

select
    place,
    task_id,
    prompt,
    messages,
    response_1,
    response_2,
    scores_1,
    scores_2,
    strength,
    statement,
    all_preferences,
    pair,
    coalesce(pair, if(is_single_turn, null, 'several_turns')) as single_turn,
    if($pairs_by_preference, pair, 'no_preference') as preference,
    if($pairs_by_preference, coalesce(pair, marked), 'no_preference') as flat_preference,
    coalesce(incomplete, marked) as flat_rows,
    coalesce(unrated, marked) as flat_labels,
    if(scores_1[$deciding] = scores_2[$deciding], 'tie', null) as equal_ratings
from reasoned
order by place
