package mysqlout

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/go-sql-driver/mysql"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/pool"
)

// fate is what a server's error number means to us.
type fate uint8

const (
	blocked  fate = iota // also every number that is not known: wait and say so, never drop anything
	retry                // the same again
	leave                // the same again, but on another connection: this node does not take writes
	tooLarge             // a smaller batch
	value                // a row's own value, P18, or a total that a constraint rejects, P19; refused.go tells them apart
	ranged               // a value out of range, or a total: P18 or P19, which our own range check tells apart
)

// fates is the one place where error numbers are told apart (P17 to P19).
var fates = map[uint16]fate{
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

	1048: value, 1265: value, 1292: value, 1366: value, 1367: value, 1406: value, 1411: value, // not what the column takes
	1300: value, 3854: value, // not in the character set
	1365: value, 1441: value, // what a generated column or a trigger computes from the value
	3140: value, 3141: value, 3156: value, 3157: value, 3903: value, // JSON
	1118: value, 1713: value, 3751: value, 3752: value, // too long for a page, the undo log, a functional index
	3819: value, 4025: value, 1644: value, // CHECK; a trigger's SIGNAL
	1526: value, 1748: value, 1591: value, // no partition for the row
	1216: value, 1452: value, // no parent row
	1264: ranged, 1690: ranged,
}

// hints says what to do about an error that blocks.
var hints = map[uint16]string{
	1044: "give the user the rights that etl check --ddl prints",
	1045: "the server does not accept user and password, or wants this user to come by TLS (--mysql-tls); files of secrets are read again at each connect",
	1054: "the table has lost a column that the query writes; put it back, or change the query",
	1062: "a row with this key is there already, and it was not this job's to write; look at what else writes to the table",
	1105: "",
	1136: "the table's columns have changed",
	1142: "give the user the rights that etl check --ddl prints",
	1143: "give the user the rights that etl check --ddl prints",
	1146: "the table is gone; put it back",
	1364: "a column that the query does not write needs a default, or must be nullable",
	1451: "a foreign key of another table refers to a column that the query adds to; drop that foreign key",
	1452: "a foreign key rejects the row; a counted table must have no foreign key",
	1264: "a total has outgrown its column; make the column wider (ALTER TABLE), and the task goes on by itself",
	1690: "a total has outgrown its column; make the column wider (ALTER TABLE), and the task goes on by itself",
}

// fateOf is what an answer of the server means. A trigger's SIGNAL may carry any number, and is known by its SQL state.
func fateOf(err error) fate {
	if answer, ok := errors.AsType[*mysql.MySQLError](err); ok {
		if f := fates[answer.Number]; f == blocked && isSignal(answer) {
			return value
		}
	}
	return fates[number(err)]
}

func isSignal(answer *mysql.MySQLError) bool {
	return answer.Number == 1644 || string(answer.SQLState[:]) == "45000"
}

// number is the server's error number, 0 where err is no answer of the server.
func number(err error) uint16 {
	if answer, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return answer.Number
	}
	return 0
}

// classify wraps an error of the driver or the server in its class, doing being what was done. An error that has a
// class already keeps it. ranged errors that come here are totals: whoever can tell has told before.
func classify(doing string, err error) error {
	if _, ok := errors.AsType[*checkpoint.Error](err); ok {
		return err
	}
	err = fmt.Errorf("%s: %w", doing, err)
	if _, ok := errors.AsType[bug](err); ok {
		return err
	}
	if errors.Is(err, pool.ErrOutcomeUnknown) {
		return &checkpoint.Error{Class: checkpoint.ErrUnknown, Err: err}
	}
	if errors.Is(err, mysql.ErrPktTooLarge) {
		return &checkpoint.Error{Class: checkpoint.ErrTooLarge, Err: err}
	}
	n := number(err)
	if n == 0 {
		// No answer: a lost connection, a time-out, the end of a context. The transaction was not committed, since
		// COMMIT is the pool's to judge.
		hint := ""
		if errors.Is(err, mysql.ErrInvalidConn) {
			hint = "the server ended the connection, or said nothing for --mysql-answer-timeout"
		}
		return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: err, Hint: hint}
	}
	switch fateOf(err) {
	case retry, leave:
		return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: err}
	case tooLarge:
		return &checkpoint.Error{Class: checkpoint.ErrTooLarge, Err: err}
	}
	return &checkpoint.Error{Class: checkpoint.ErrBlocked, Err: err, Hint: hints[n]}
}

// abandon ends a transaction after an error: by ROLLBACK, or by closing the connection where the node does not take
// writes or cannot be heard.
func abandon(tx *pool.Tx, err error) {
	if errors.Is(err, driver.ErrBadConn) || fates[number(err)] == leave {
		tx.Discard()
		return
	}
	tx.Rollback(noContext)
}

// bug is a broken invariant of our own: it has no class, and ends the component.
type bug string

func (b bug) Error() string { return "BUG: " + string(b) }

func bugf(format string, args ...any) error { return bug(fmt.Sprintf(format, args...)) }

var atRow = regexp.MustCompile(`at row (\d+)$`)

// namedRow is the row of the statement that the server names, from 0; false where it names none. The server's own words
// are the last ones: a value or a trigger's text before them may say anything.
func namedRow(err error) (int, bool) {
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
