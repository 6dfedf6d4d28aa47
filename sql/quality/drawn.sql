-- The trusted ballots in a random order within each word and number of responses: by the product, modulo a prime, of random
-- linear functions of their task's and their annotator's key. The order is the same for each word, so that a ballot of
-- several stays whole.
-- inputs: slots
-- parameters: task_factor, task_shift, annotator_factor, annotator_shift
-- grain: ballot
-- output: ballot
select ballot
from slots
order by
    word,
    responses,
    ((task_key % 2147483647 * $task_factor::ubigint + $task_shift::ubigint) % 2147483647)
    * ((annotator_key % 2147483647 * $annotator_factor::ubigint + $annotator_shift::ubigint) % 2147483647)
    % 2147483647,
    task_key,
    rank
