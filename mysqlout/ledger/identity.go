package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
)

// identityText explains the row that holds the identity to operators. Its table_name is empty, which no target's is, so
// the identity needs neither a table nor a right of its own, and older releases ignore it.
const identityText = "identity of these checkpoints: all processes of a consumer group must read the same one"

// Identity returns the 16 bytes that distinguish these checkpoints from those of other databases. If there are none
// yet, it creates them: of two processes that try, one inserts the row and both read it. The table etl_target must
// exist.
func (l *Ledger) Identity(ctx context.Context) (id [16]byte, err error) {
	id, ok, err := l.ReadIdentity(ctx)
	for tries := 0; err == nil && !ok && tries < 3; tries++ {
		if err = l.makeIdentity(ctx); sqlerr.Number(err) == 1062 {
			err = nil // another process was first
		}
		if err != nil {
			return id, sqlerr.Classify("create the identity of the checkpoints", err)
		}
		id, ok, err = l.ReadIdentity(ctx)
	}
	if err == nil && !ok {
		err = &checkpoint.Error{Class: checkpoint.ErrRetry, Err: errors.New("the identity of the checkpoints was written to etl_target, but cannot be read back")}
	}
	return id, err
}

// ReadIdentity is like Identity but creates nothing; ok is false if there is no identity.
func (l *Ledger) ReadIdentity(ctx context.Context) (id [16]byte, ok bool, err error) {
	const doing = "read the identity of the checkpoints"
	tx, err := l.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return id, false, sqlerr.Classify(doing, err)
	}
	defer tx.Rollback(ctx)
	var kept []byte
	err = tx.Query(ctx, "SELECT query_hash FROM etl_target WHERE table_name = ''", func(scan func(...any) error) error {
		return scan(&kept)
	})
	switch {
	case err != nil:
		return id, false, sqlerr.Classify(doing, err)
	case kept == nil:
		return id, false, nil
	case len(kept) < len(id):
		return id, false, &checkpoint.Error{
			Class: checkpoint.ErrRefused,
			Err:   fmt.Errorf("%s: etl_target's row with the empty table_name holds %d bytes, expected 32", doing, len(kept)),
			Hint:  "delete that row while no etl runs; the next start creates it again",
		}
	}
	copy(id[:], kept)
	return id, true, nil
}

func (l *Ledger) makeIdentity(ctx context.Context) error {
	var id [32]byte // as long as the column; its first half is the identity
	if _, err := rand.Read(id[:16]); err != nil {
		return err
	}
	tx, err := l.pool.Tx(ctx, pool.PriorityHigh)
	if err != nil {
		return err
	}
	text := sqltext.AppendBytes([]byte("INSERT INTO etl_target (table_name, job, query_hash, query_text, since) VALUES ('', '', "), id[:])
	text = sqltext.AppendText(append(text, ", "...), identityText)
	if _, err := tx.Exec(ctx, string(append(text, ", UTC_TIMESTAMP(6))"...))); err != nil {
		sqlerr.Abandon(tx, err)
		return err
	}
	return tx.Commit(ctx)
}
