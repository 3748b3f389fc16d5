-- phase: contract
-- needs: 0022
-- transaction: no
-- After the last process that lists somebody's orders by it.
DROP INDEX CONCURRENTLY IF EXISTS orders_of_user;
