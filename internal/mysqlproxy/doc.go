// Package mysqlproxy is a TCP proxy for tests that understands as much of MySQL's protocol as it takes to know where a
// COMMIT is: it can cut the connection before COMMIT is forwarded or after, swallow its answer, hold it back until
// told, or slip a ROLLBACK into a transaction.
//
// It reads packets of the command phase (MySQL's manual, "Client/Server Protocol": three bytes of length, one of
// sequence, then the command; 03 is COM_QUERY). It does not understand TLS or compression.
package mysqlproxy
