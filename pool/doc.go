// Package pool is the process-wide pool of MySQL connections. It is lazy: nothing is dialled before the first
// transaction, and a server that goes away costs nothing until the next one.
//
// One transaction is one connection ([Pool.Tx]); at most Config.Connections are open at once, and who claims or asks
// goes before who commits (P32). There is no way to run a statement outside a transaction of one's own.
//
// Every connection sets what its session needs and reads it back; nothing is inherited from the server (P21). A
// connection goes back to the pool only after the reply to COMMIT or ROLLBACK was read, else it is closed: the standard
// library would hand an open transaction to the next user, and its BeginTx would commit it (P9). So there is no BeginTx
// here, and a session refuses it.
//
// The package knows transactions and connections, not what is written in them: classes of error are the caller's, but
// for one, [ErrOutcomeUnknown].
package pool
