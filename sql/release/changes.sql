-- How the rated responses differ from the parent's, in the columns that both have.
-- inputs: parent_rows, release_rows
-- grain: change
-- output: change, rows
with compared as (
    select
        case
            when parent_rows.task_id is null then 'added'
            when release_rows.task_id is null then 'removed'
            when parent_rows is distinct from release_rows then 'changed'
            else 'kept'
        end as change
    from parent_rows
    full join release_rows
        on parent_rows.task_id = release_rows.task_id and parent_rows.response_id = release_rows.response_id
)

select changes.change, count(compared.change) as rows
from (values ('added'), ('removed'), ('changed'), ('kept')) as changes (change)
left join compared using (change)
group by changes.change
order by changes.change
