// Package mysqlproxy is a TCP proxy for tests that understands enough of MySQL's protocol to recognize a COMMIT: it can
// close the connection before or after it forwards the COMMIT, drop the reply, hold the COMMIT until it is released, or
// insert a ROLLBACK into a transaction.
//
// It reads packets of the command phase (MySQL's manual, "Client/Server Protocol": three bytes of length, one of
// sequence, then the command; 03 is COM_QUERY). It does not understand TLS or compression.
package mysqlproxy
