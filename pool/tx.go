package pool

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// ErrOutcomeUnknown says that COMMIT may have been sent and that no reply was read: it may or may not have been carried
// out. The connection is closed.
var ErrOutcomeUnknown = errors.New("the outcome of COMMIT is unknown")

// Tx is one transaction on one connection. It is not safe for concurrent use. After an error of Exec or Query the
// caller decides between Rollback and Discard; both may be called more than once, and after Commit, and then do
// nothing.
type Tx struct {
	Server Server

	pool *Pool
	conn *sql.Conn // nil once ended
}

var errEnded = errors.New("BUG: a statement after the transaction's end")

// Exec sends a statement without arguments and returns how many rows it matched.
func (t *Tx) Exec(ctx context.Context, text string) (matched int64, err error) {
	if t.conn == nil {
		return 0, errEnded
	}
	result, err := t.conn.ExecContext(ctx, text)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Query sends a query without arguments and calls row for each of its rows, until row returns an error.
func (t *Tx) Query(ctx context.Context, text string, row func(scan func(...any) error) error) (err error) {
	if t.conn == nil {
		return errEnded
	}
	rows, err := t.conn.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer func() {
		if closing := rows.Close(); err == nil {
			err = closing
		}
	}()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Commit sends COMMIT and reads its reply. An error that wraps ErrOutcomeUnknown leaves open whether it was carried
// out; any other means that it was not. ctx cannot stop it: a COMMIT given up half-way is one whose outcome nobody
// knows. The server's answer is waited for no longer than Config.Answer.
//
// What dies where: before the packet is written, the server rolls back when it sees the connection gone; after it,
// the checkpoint rows say whether it was carried out.
func (t *Tx) Commit(ctx context.Context) error {
	if t.conn == nil {
		return errEnded
	}
	ctx = context.WithoutCancel(ctx)
	_, err := t.conn.ExecContext(ctx, commit)
	var answer *mysql.MySQLError
	switch {
	case err == nil:
		t.end("committed")
		return nil
	case errors.As(err, &answer) && certainlyRolledBack(answer.Number):
		t.Rollback(ctx)
		return err
	default:
		t.discard("unknown")
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
}

// certainlyRolledBack lists the errors with which a server answers COMMIT after it has undone the transaction: deadlock
// (Galera's certification), and group replication's before_commit hook. Everything else is asked about.
func certainlyRolledBack(number uint16) bool {
	switch number {
	case 1213, 3100, 3101:
		return true
	}
	return false
}

// Rollback sends ROLLBACK; where its reply is not read, the connection is closed, which the server takes for the same.
// ctx cannot stop it.
func (t *Tx) Rollback(ctx context.Context) {
	if t.conn == nil {
		return
	}
	if _, err := t.conn.ExecContext(context.WithoutCancel(ctx), rollback); err != nil {
		t.discard("discarded")
		return
	}
	t.end("rolled_back")
}

// Discard closes the connection, with whatever is open on it.
func (t *Tx) Discard() { t.discard("discarded") }

func (t *Tx) discard(outcome string) {
	if t.conn == nil {
		return
	}
	// The one way to make database/sql close a connection and not keep it.
	_ = t.conn.Raw(func(any) error { return driver.ErrBadConn })
	t.end(outcome)
}

func (t *Tx) end(outcome string) {
	_ = t.conn.Close() // gives it back; what is wrong with it shows when it is taken again
	t.conn = nil
	t.pool.metrics.transactions.WithLabelValues(outcome).Inc()
	t.pool.turns.release()
}
