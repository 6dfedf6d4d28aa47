-- Step 7 of the agreement policy: the preference of each kept task, the mean of the closest preferences, rounded half
-- away from zero; or the reason why it has none. The statement is the justification nearest to
-- the mean among those that were written, ties by annotator. A task of one response, and a campaign whose rubric
-- does not ask for preferences, have none to give, and no row.
-- inputs: retained_annotations, task_preferences
-- parameters: asks_preference, max_preference_range
-- grain: task_id
-- output: campaign, task_id, strength, reason, statement, all_preferences
with kept_tasks as (
    select task_id, min(campaign) as campaign
    from retained_annotations
    where stage = 'kept' and $asks_preference
    group by task_id
    having count(distinct response_id) > 1
),

voices as (
    select task_id, annotator, bool_or(preference_retained) as retained
    from retained_annotations
    group by task_id, annotator
),

given as (
    select
        task_preferences.task_id,
        task_preferences.annotator,
        task_preferences.strength,
        task_preferences.justification,
        voices.retained
    from task_preferences
    semi join kept_tasks using (task_id)
    join voices using (task_id, annotator)
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
