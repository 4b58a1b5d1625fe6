package sqlerr

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serverError(number uint16, state, text string) *mysql.MySQLError {
	e := &mysql.MySQLError{Number: number, Message: text}
	copy(e.SQLState[:], state)
	return e
}

// known are the numbers that do not block, by what is done about them. Every other number blocks.
var known = map[Handling][]uint16{
	retry: {1020, 1021, 1030, 1037, 1038, 1040, 1041, 1047, 1053, 1114, 1129, 1135, 1158, 1159, 1160, 1161, 1180, 1203, 1205, 1213, 1226,
		1317, 1412, 1637, 1927, 1969, 2006, 2013, 3024, 3101, 4031},
	leave:    {1223, 1290, 1792, 1836},
	tooLarge: {1153, 1197, 1206, 1534, 3100},
	Value: {1048, 1118, 1216, 1265, 1292, 1300, 1365, 1366, 1367, 1406, 1411, 1441, 1452, 1526, 1591, 1644, 1713, 1748,
		3140, 3141, 3156, 3157, 3751, 3752, 3819, 3854, 3903, 4025},
	Ranged: {1264, 1690},
}

// P17 to P19: every number of the server has the handling and the class of its kind. A number that is not known blocks,
// so that no record is dropped because of it.
func TestP17_EachNumberHasItsHandling(t *testing.T) {
	t.Parallel()
	want := map[uint16]Handling{}
	for h, numbers := range known {
		for _, n := range numbers {
			want[n] = h
		}
	}
	classes := map[Handling]error{
		blocked: checkpoint.ErrBlocked, retry: checkpoint.ErrRetry, leave: checkpoint.ErrRetry, tooLarge: checkpoint.ErrTooLarge,
		Value: checkpoint.ErrBlocked, Ranged: checkpoint.ErrBlocked, // of a stored total: callers handle a row's own value before
	}
	for n := range math.MaxUint16 {
		err := fmt.Errorf("wrapped: %w", serverError(uint16(n+1), "HY000", "text"))
		if got := HandlingOf(err); got != want[uint16(n+1)] {
			t.Errorf("error %d: got handling %d, expected %d", n+1, got, want[uint16(n+1)])
		}
		got := Classify("do", err)
		if class := classes[want[uint16(n+1)]]; !errors.Is(got, class) {
			t.Errorf("error %d: got %v, expected the class %v", n+1, got, class)
		}
		if Number(got) != uint16(n+1) {
			t.Errorf("error %d: its number is lost in %v", n+1, got)
		}
	}
}

// The SIGNAL of a trigger is a row's own value, with any number; unless the number is one that the server itself uses
// for something else.
func TestP18_SignalByItsState(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		number uint16
		state  string
		want   Handling
	}{
		{1644, "45000", Value}, {1644, "HY000", Value}, {31234, "45000", Value}, {1, "45000", Value}, {1062, "45000", Value},
		{31234, "HY000", blocked}, {31234, "45001", blocked}, {1062, "23000", blocked},
		{1213, "45000", retry}, {1290, "45000", leave}, {1153, "45000", tooLarge}, {1264, "45000", Ranged},
	} {
		if got := HandlingOf(serverError(test.number, test.state, "a trigger's text")); got != test.want {
			t.Errorf("error %d, state %s: got handling %d, expected %d", test.number, test.state, got, test.want)
		}
	}
}

// Errors that block have the advice for their number, and others none.
func TestClassify_hints(t *testing.T) {
	t.Parallel()
	for number, hint := range Hints {
		got, ok := errors.AsType[*checkpoint.Error](Classify("do", serverError(number, "HY000", "text")))
		want := hint
		if ok && !errors.Is(got, checkpoint.ErrBlocked) {
			want = ""
		}
		if !ok || got.Hint != want {
			t.Errorf("error %d: got %+v, expected the hint %q", number, got, want)
		}
	}
	if got, ok := errors.AsType[*checkpoint.Error](Classify("do", serverError(31234, "HY000", "text"))); !ok || got.Hint != "" {
		t.Errorf("an unknown number: got %+v, expected no hint", got)
	}
}

// Errors that are not the server's: of the connection, of the driver and of the pool, and those that have a class.
func TestClassify_otherErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err        error
		class      error
		hint, text string
	}{
		{io.ErrUnexpectedEOF, checkpoint.ErrRetry, "", "do: unexpected EOF"},
		{context.Canceled, checkpoint.ErrRetry, "", "do: context canceled"},
		{driver.ErrBadConn, checkpoint.ErrRetry, "", "do: driver: bad connection"},
		{mysql.ErrInvalidConn, checkpoint.ErrRetry, "mysql-answer-timeout", "do: invalid connection"},
		{mysql.ErrPktTooLarge, checkpoint.ErrTooLarge, "", "do: "},
		{fmt.Errorf("COMMIT: %w", pool.ErrOutcomeUnknown), checkpoint.ErrUnknown, "", "do: COMMIT: "},
		{&checkpoint.Error{Class: checkpoint.ErrFenced, Err: errors.New("another owner"), Hint: "h"}, checkpoint.ErrFenced, "h", "another owner"},
	} {
		got, ok := errors.AsType[*checkpoint.Error](Classify("do", test.err))
		if !ok || !errors.Is(got, test.class) || !strings.Contains(got.Hint, test.hint) || !strings.HasPrefix(got.Err.Error(), test.text) || !errors.Is(got, test.err) {
			t.Errorf("%v: got %+v, expected the class %v, a hint with %q and an error that begins with %q", test.err, got, test.class, test.hint, test.text)
		}
	}
	if got := Classify("do", Bugf("no %s", "table")); got.Error() != "do: BUG: no table" {
		t.Errorf("got %v, expected the violated invariant", got)
	} else if _, ok := errors.AsType[*checkpoint.Error](got); ok {
		t.Errorf("got %v with a class, expected none", got)
	}
}

// The row that the server names is the one at the end of its own text. The text of a trigger names none.
func TestNamedRow(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err   error
		row   int
		named bool
	}{
		{serverError(1406, "22001", "Data too long for column 'v' at row 3"), 2, true},
		{fmt.Errorf("wrapped: %w", serverError(1264, "22003", "Out of range value for column 'n' at row 1")), 0, true},
		{serverError(1366, "22007", "Incorrect string value: ' at row 9' for column `v` at row 2"), 1, true},
		{serverError(1366, "22007", "Incorrect string value: ' at row 9' for column `v`"), 0, false},
		{serverError(4025, "23000", "CONSTRAINT `c` failed for `db`.`t`"), 0, false},
		{serverError(1406, "22001", "at row 0"), 0, false},
		{serverError(1406, "22001", "at row 99999999999999999999"), 0, false},
		{serverError(1644, "45000", "bad at row 2"), 0, false},
		{serverError(1406, "45000", "bad at row 2"), 0, false},
		{errors.New("at row 4"), 3, true},
	} {
		row, named := NamedRow(test.err)
		if named != test.named || named && row != test.row {
			t.Errorf("%v: got %d %v, expected %d %v", test.err, row, named, test.row, test.named)
		}
	}
}

// After an error of a node that accepts no writes, the next transaction has another connection; after any other error
// it may have the same.
func TestAbandon(t *testing.T) {
	t.Parallel()
	p := sqltest.Open(t, mariadbtest.Start(t)).Pool
	connection := func(err error) (id int64) {
		t.Helper()
		tx, txErr := p.Tx(t.Context(), pool.PriorityHigh)
		if txErr != nil {
			t.Fatal(txErr)
		}
		defer Abandon(tx, err)
		if err := tx.Query(t.Context(), "SELECT CONNECTION_ID()", func(scan func(...any) error) error { return scan(&id) }); err != nil {
			t.Fatal(err)
		}
		return id
	}
	for _, test := range []struct {
		err  error
		same bool
	}{
		{serverError(1213, "40001", "Deadlock"), true}, {serverError(1290, "HY000", "--read-only"), false}, {serverError(1836, "HY000", "read-only mode"), false},
		{fmt.Errorf("wrapped: %w", driver.ErrBadConn), false}, {errors.New("another"), true},
	} {
		was := connection(test.err)
		if is := connection(nil); (is == was) != test.same {
			t.Errorf("after %v: the connections are %d and %d, expected the same: %v", test.err, was, is, test.same)
		}
	}
}
