// Package sqlerr classifies the errors of MySQL and its driver: each error gets a class of package checkpoint, and
// advice.
package sqlerr

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/go-sql-driver/mysql"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/pool"
)

// Handling is how an error number of the server is handled.
type Handling uint8

// The handlings. Callers handle the exported ones; for the others, this package builds the error.
const (
	blocked  Handling = iota // also every unknown number: report and retry until it is fixed, never drop anything
	retry                    // try again
	leave                    // try again on another connection: this node does not accept writes
	tooLarge                 // a smaller batch
	Value                    // a row's own value, P18, or a total that a constraint rejects, P19; rejected.go tells them apart
	Ranged                   // a value out of range, or a total: P18 or P19, which the check of the row's values tells apart
)

// handlings is the only place where error numbers are classified (P17 to P19).
var handlings = map[uint16]Handling{
	1213: retry,                                        // deadlock
	1205: retry,                                        // lock wait
	1020: retry,                                        // MariaDB: record has changed since the snapshot
	1180: retry,                                        // error during COMMIT
	1412: retry,                                        // table definition has changed, please retry
	3101: retry,                                        // group replication's certification
	1047: retry,                                        // Galera: node not prepared
	1053: retry,                                        // shutdown in progress
	1158: retry, 1159: retry, 1160: retry, 1161: retry, // packets lost on the way
	1317: retry, 1927: retry, 1969: retry, 3024: retry, // killed or interrupted
	2006: retry, 2013: retry, 4031: retry, // disconnected
	1040: retry, 1203: retry, 1226: retry, 1129: retry, // too many connections, or users' limits
	1114: retry, 1021: retry, 1030: retry, 1041: retry, 1637: retry, // full: table, disk, engine, memory, undo slots
	1037: retry, 1038: retry, 1135: retry, // memory and threads

	1290: leave, 1836: leave, 1792: leave, 1223: leave, // read-only

	1197: tooLarge, 1206: tooLarge, 3100: tooLarge, 1153: tooLarge, 1534: tooLarge,

	1048: Value, 1265: Value, 1292: Value, 1366: Value, 1367: Value, 1406: Value, 1411: Value, // not accepted by the column
	1300: Value, 3854: Value, // not in the character set
	1365: Value, 1441: Value, // computed from the value by a generated column or a trigger
	3140: Value, 3141: Value, 3156: Value, 3157: Value, 3903: Value, // JSON
	1118: Value, 1713: Value, 3751: Value, 3752: Value, // too long for a page, the undo log, a functional index
	3819: Value, 4025: Value, 1644: Value, // CHECK; a trigger's SIGNAL
	1526: Value, 1748: Value, 1591: Value, // no partition for the row
	1216: Value, 1452: Value, // no parent row
	1264: Ranged, 1690: Ranged,
}

// Hints holds advice for errors that block, by number.
var Hints = map[uint16]string{
	1044: "give the user the rights that etl check --ddl prints",
	1045: "the server does not accept user and password, or requires TLS for this user (" + option.Ref("mysql-tls") + "); secret files are read again at each connect",
	1054: "a column that the query writes is missing from the table; add it again, or change the query",
	1062: "a row with this key exists already and was not written by this job; find out what else writes to the table",
	1105: "",
	1136: "the table's columns have changed",
	1142: "give the user the rights that etl check --ddl prints",
	1143: "give the user the rights that etl check --ddl prints",
	1146: "the table does not exist any more; restore it",
	1364: "a column that the query does not write needs a default, or must be nullable",
	1451: "a foreign key of another table refers to a column that the query adds to; drop that foreign key",
	1452: "a foreign key rejects the row; drop the foreign key of the target table",
	1264: "a total has outgrown its column; make the column wider (ALTER TABLE), and the task resumes automatically",
	1690: "a total has outgrown its column; make the column wider (ALTER TABLE), and the task resumes automatically",
}

// HandlingOf returns how an error is handled. The SIGNAL of a trigger may have any number; it is recognized by its SQL
// state.
func HandlingOf(err error) Handling {
	if answer, ok := errors.AsType[*mysql.MySQLError](err); ok {
		if f := handlings[answer.Number]; f == blocked && isSignal(answer) {
			return Value
		}
	}
	return handlings[Number(err)]
}

func isSignal(answer *mysql.MySQLError) bool {
	return answer.Number == 1644 || string(answer.SQLState[:]) == "45000"
}

// Number returns the server's error number, 0 if err is not an error of the server.
func Number(err error) uint16 {
	if answer, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return answer.Number
	}
	return 0
}

// Classify wraps an error of the driver or the server in its class; doing is what was being done. An error that already
// has a class keeps it. A Ranged error is taken for that of a stored total, because callers detect a row's own value
// before they call Classify.
func Classify(doing string, err error) error {
	if _, ok := errors.AsType[*checkpoint.Error](err); ok {
		return err
	}
	err = fmt.Errorf("%s: %w", doing, err)
	if _, ok := errors.AsType[Bug](err); ok {
		return err
	}
	if errors.Is(err, pool.ErrOutcomeUnknown) {
		return &checkpoint.Error{Class: checkpoint.ErrUnknown, Err: err}
	}
	if errors.Is(err, mysql.ErrPktTooLarge) {
		return &checkpoint.Error{Class: checkpoint.ErrTooLarge, Err: err}
	}
	n := Number(err)
	if n == 0 {
		// No reply: a lost connection, a timeout, a cancelled context. The transaction was not committed, because the
		// pool handles the errors of COMMIT.
		hint := ""
		if errors.Is(err, mysql.ErrInvalidConn) {
			hint = "the server closed the connection, or sent no reply within " + option.Ref("mysql-answer-timeout")
		}
		return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: err, Hint: hint}
	}
	switch HandlingOf(err) {
	case retry, leave:
		return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: err}
	case tooLarge:
		return &checkpoint.Error{Class: checkpoint.ErrTooLarge, Err: err}
	}
	return &checkpoint.Error{Class: checkpoint.ErrBlocked, Err: err, Hint: Hints[n]}
}

// Abandon ends a transaction after an error: by ROLLBACK, or by closing the connection if the node does not accept
// writes or does not reply.
func Abandon(tx *pool.Tx, err error) {
	if errors.Is(err, driver.ErrBadConn) || handlings[Number(err)] == leave {
		tx.Discard()
		return
	}
	tx.Rollback(context.Background())
}

// Bug is a violated invariant of this program. It has no class, and ends the component.
type Bug string

// Error implements error.
func (b Bug) Error() string { return "BUG: " + string(b) }

// Bugf returns a Bug with a formatted text.
func Bugf(format string, args ...any) error { return Bug(fmt.Sprintf(format, args...)) }

var atRow = regexp.MustCompile(`at row (\d+)$`)

// NamedRow returns the number of the row of the statement that the server names, from 0; false if it names none. Only
// the end of the text is the server's own; the text before it may be a value or the text of a trigger.
func NamedRow(err error) (int, bool) {
	if answer, ok := errors.AsType[*mysql.MySQLError](err); ok && isSignal(answer) {
		return 0, false
	}
	m := atRow.FindStringSubmatch(err.Error())
	if m == nil {
		return 0, false
	}
	n, convErr := strconv.Atoi(m[1])
	return n - 1, convErr == nil && n > 0
}
