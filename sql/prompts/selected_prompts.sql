-- Chooses the prompts of a batch that go on to the models: the first of a seeded order, a set number of
-- them with several turns. When one kind runs short the other fills up. A higher target adds and never removes.
-- inputs: curated_prompts
-- parameters: target, multi_turn_quota, seed
-- grain: prompt_id
-- output: prompt_batch, prompt_id, intake_number, source, licence, messages, turns, selected, reason
with ranked as (
    select
        *,
        turns > 1 as multi_turn,
        row_number() over (
            partition by turns > 1
            order by sha256(concat_ws('|', 'selection', $seed::varchar, prompt_id))
        ) as place
    from curated_prompts
    where kept
),

available as (
    select
        count(*) filter (where multi_turn) as multi_turn,
        count(*) filter (where not multi_turn) as single_turn
    from ranked
),

quota as (
    select
        least(multi_turn, greatest($multi_turn_quota, $target - single_turn)) as multi_turn,
        least(single_turn, greatest($target - $multi_turn_quota, $target - multi_turn)) as single_turn
    from available
)

select
    ranked.prompt_batch,
    ranked.prompt_id,
    ranked.intake_number,
    ranked.source,
    ranked.licence,
    ranked.messages,
    ranked.turns,
    ranked.place <= if(ranked.multi_turn, quota.multi_turn, quota.single_turn) as selected,
    case
        when ranked.place > if(ranked.multi_turn, quota.multi_turn, quota.single_turn) then 'beyond_target'
    end as reason
from ranked
cross join quota
order by ranked.prompt_id
