package mysqlout

import "github.com/sluice-etl/sluice/pool"

// refusedByCheck returns the error number of a row that a CHECK rejects; empty if the server parses CHECK but does not
// enforce it.
func refusedByCheck(s pool.Server) string {
	switch {
	case s.Dialect == pool.MariaDB:
		return "4025"
	case s.AtLeast(8, 0):
		return "3819"
	}
	return ""
}

// refuseBad makes the table counts reject the item bad, which is the row's own fault.
func refuseBad(s pool.Server) string {
	if refusedByCheck(s) != "" {
		return "ALTER TABLE counts ADD CHECK (item <> 'bad')"
	}
	return "CREATE TRIGGER refuse BEFORE INSERT ON counts FOR EACH ROW IF NEW.item = 'bad' THEN " +
		"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 3819, MESSAGE_TEXT = 'item is bad'; END IF"
}
