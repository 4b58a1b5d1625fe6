package pool

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// ErrOutcomeUnknown means that COMMIT may have been sent and no reply was read, so it may or may not have been applied.
// The connection is closed.
var ErrOutcomeUnknown = errors.New("the outcome of COMMIT is unknown")

// Tx is one transaction on one connection. It is not safe for concurrent use. After an error of Exec or Query the
// caller decides between Rollback and Discard; both may be called more than once, and after Commit, and then do
// nothing.
type Tx struct {
	Server Server

	pool *Pool
	conn *sql.Conn // nil once ended
}

var errEnded = errors.New("BUG: statement after the end of the transaction")

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

// Commit sends COMMIT and reads its reply, for which it waits no longer than Config.Answer. An error that wraps
// ErrOutcomeUnknown leaves open whether the transaction was committed; any other means that it was not. Cancelling ctx
// does not stop it, because that would leave the outcome unknown.
//
// If the process crashes before the packet is written, the server rolls back once it notices that the connection is
// closed. After that, the checkpoint rows tell whether the transaction was committed.
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

// certainlyRolledBack reports whether the server replies to COMMIT with this error only after it has rolled back:
// deadlock (Galera's certification), and the before_commit hook of group replication. All others leave the outcome
// unknown.
func certainlyRolledBack(number uint16) bool {
	switch number {
	case 1213, 3100, 3101:
		return true
	}
	return false
}

// Rollback sends ROLLBACK. If its reply cannot be read, the connection is closed, and the server rolls back. Cancelling
// ctx does not stop it.
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

// Discard closes the connection, and with it an open transaction.
func (t *Tx) Discard() { t.discard("discarded") }

func (t *Tx) discard(outcome string) {
	if t.conn == nil {
		return
	}
	// This is the only way to make database/sql close a connection instead of keeping it.
	_ = t.conn.Raw(func(any) error { return driver.ErrBadConn })
	t.end(outcome)
}

func (t *Tx) end(outcome string) {
	_ = t.conn.Close() // returns it; an error would show when it is used again
	t.conn = nil
	t.pool.metrics.transactions.WithLabelValues(outcome).Inc()
	t.pool.turns.release()
}
