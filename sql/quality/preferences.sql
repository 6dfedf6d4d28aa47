-- Step 7 of the agreement policy: the preference of each kept task, the mean of the closest preferences, rounded half
-- away from zero; or the reason why it has none. The statement is the justification nearest to
-- the mean among those that were written, ties by annotator.
-- inputs: retained_annotations
-- parameters: max_preference_range
-- grain: task_id
-- output: campaign, task_id, strength, reason, statement, all_preferences
with kept_tasks as (
    select task_id, min(campaign) as campaign
    from retained_annotations
    where stage = 'kept'
    group by task_id
),

given as (
    select
        retained_annotations.task_id,
        retained_annotations.annotator,
        retained_annotations.preference as strength,
        nullif(trim(retained_annotations.justification), '') as justification,
        retained_annotations.preference_retained as retained
    from retained_annotations
    join kept_tasks using (task_id)
    where retained_annotations.stage in ('closest', 'kept') and retained_annotations.preference is not null
    qualify
        row_number() over (
            partition by retained_annotations.task_id, retained_annotations.annotator
            order by retained_annotations.position desc
        ) = 1
),

sums as (
    select
        task_id,
        count(*) as n,
        sum(strength::bigint) as total,
        max(strength::bigint) - min(strength::bigint) as spread
    from given
    where retained
    group by task_id
),

decisions as (
    select
        kept_tasks.campaign,
        kept_tasks.task_id,
        sums.n,
        sums.total,
        (sign(sums.total) * ((2 * abs(sums.total) + sums.n) // (2 * sums.n)))::tinyint as mean,
        case
            when sums.n is null then 'too_few'
            when sums.spread > $max_preference_range then 'disputed'
            when 2 * abs(sums.total) < sums.n then 'tie'
        end as reason
    from kept_tasks
    left join sums using (task_id)
),

statements as (
    select given.task_id, given.justification
    from given
    join sums using (task_id)
    where given.retained and given.justification is not null
    qualify
        row_number() over (
            partition by given.task_id
            order by abs(sums.n * given.strength - sums.total), given.annotator
        ) = 1
),

lists as (
    select
        task_id,
        list(
            {
                'annotator': annotator,
                'strength': strength,
                'justification': justification,
                'retained': retained
            }
            order by annotator
        ) as all_preferences
    from given
    group by task_id
)

select
    decisions.campaign,
    decisions.task_id,
    if(decisions.reason is null, decisions.mean, null) as strength,
    decisions.reason,
    if(decisions.reason is null, statements.justification, null) as statement,
    coalesce(lists.all_preferences, []) as all_preferences
from decisions
left join statements using (task_id)
left join lists using (task_id)
order by decisions.task_id
