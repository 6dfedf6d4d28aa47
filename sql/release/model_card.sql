-- The models as the data card shows them: without parameters, with the share of the release that each wrote, and
-- whether all of its terms let outputs train others.
-- inputs: model_shares
-- grain: role, model, model_name, revision, licence
-- output: role, model, model_name, revision, licence, may_train, in_tasks, in_release, percent
with models as (
    select
        role,
        model,
        model_name,
        revision,
        licence,
        bool_and(outputs_may_train) as may_train,
        sum(in_tasks)::bigint as in_tasks,
        sum(in_release)::bigint as in_release
    from model_shares
    group by all
)

select
    role,
    model,
    model_name,
    revision,
    licence,
    may_train,
    in_tasks,
    in_release,
    100 * in_release / nullif(sum(in_release) over (partition by role), 0) as percent
from models
order by role, model, model_name, revision, licence
