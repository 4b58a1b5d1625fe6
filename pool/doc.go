// Package pool is the process-wide pool of MySQL connections. It is lazy: it dials nothing before the first
// transaction, and a server that becomes unreachable is noticed by the next one.
//
// Each transaction uses one connection ([Pool.Tx]). At most Config.Connections transactions are open at once, and
// claims and resolves take priority over commits (P32). No statement can be sent outside a transaction.
//
// Every connection sets what its session needs and reads it back; nothing is inherited from the server (P21). A
// connection returns to the pool only after the reply to COMMIT or ROLLBACK was read; otherwise it is closed. The
// standard library would give an open transaction to the next user, and its BeginTx would commit it (P9). So there is
// no BeginTx here, and a session rejects it.
//
// The package knows transactions and connections, not what is written in them. It defines one class of error,
// [ErrOutcomeUnknown]; the caller classifies the others.
package pool
