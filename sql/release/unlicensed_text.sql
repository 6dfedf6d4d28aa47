-- Models whose text is in a release though their terms do not let it train others, or are not known. `models` is the
-- release's own table of them.
-- inputs: models
-- grain: role, model
-- output: role, model, licence, outputs_may_train
select distinct role, model, licence, outputs_may_train
from models
where in_release > 0
and model is not null
and (not coalesce(outputs_may_train, role = 'turns') or licence is null)
order by role, model
