package mysqlout

import (
	"errors"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/row"
)

// The fence compares the query's fingerprint: a commit computed by another query than the checkpoint's is fenced even
// where epoch, owner and offset match.
func TestP2_TheFenceComparesTheFingerprint(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	at := mustClaim(t, f.sink, 0)
	f.Exec(t, "UPDATE etl_checkpoint SET query_hash = x'0909' WHERE partition_id = 0")
	err := f.sink.Commit(t.Context(), taskBatch(1, 3, countsDelta(&f.tables[0], map[string]int64{"a": 3}), at...))
	if !errors.Is(err, checkpoint.ErrFenced) {
		t.Errorf("the commit returned %v, expected a fenced commit", err)
	}
	if got := f.Text(t, "SELECT COUNT(*), (SELECT next_offset FROM etl_checkpoint WHERE partition_id = 0) FROM counts"); got != "0 0" {
		t.Errorf("rows and next_offset are %q, expected nothing written", got)
	}
}

// A claim with --query-change=continue writes the new fingerprint into the checkpoint. Then the new query's commits
// pass the fence, and the old query's process can neither commit nor claim.
func TestP2_AClaimTakesOverTheFingerprint(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	old := mustClaim(t, f.sink, 0)
	c := testConfig()
	c.QueryHash, c.QueryText, c.ContinueQuery = [32]byte{7}, "SELECT item, COUNT(*)\nraw", true
	next := New(c, f.Pool, nil, nil)
	tables, err := next.Prepare(t.Context(), []row.Table{table})
	if err != nil {
		t.Fatal(err)
	}
	at := mustClaim(t, next, 0)
	if got := f.Text(t, "SELECT HEX(LEFT(query_hash, 2)) FROM etl_checkpoint WHERE partition_id = 0"); got != "0700" {
		t.Errorf("the claimed checkpoint has fingerprint %s…, expected 0700…", got)
	}
	if err := next.Commit(t.Context(), taskBatch(1, 2, countsDelta(&tables[0], map[string]int64{"a": 2}), at...)); err != nil {
		t.Errorf("commit by the new query: %v", err)
	}
	err = f.sink.Commit(t.Context(), taskBatch(2, 2, countsDelta(&f.tables[0], map[string]int64{"a": 5}), old...))
	if !errors.Is(err, checkpoint.ErrFenced) {
		t.Errorf("the commit by the old query returned %v, expected a fenced commit", err)
	}
	if _, err := f.sink.Claim(t.Context(), topic(8), []int32{0}); !errors.Is(err, checkpoint.ErrRefused) {
		t.Errorf("the claim by the old query returned %v, expected a refusal", err)
	}
	if got := f.Text(t, "SELECT item, n FROM counts"); got != "a 2" {
		t.Errorf("counts are %q, expected \"a 2\"", got)
	}
}

// Resolve compares the owner beside the epoch. A database that was restored to an older state and claimed again by
// another process can have this epoch under another owner.
func TestP12_ResolveComparesTheOwner(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	at := mustClaim(t, f.sink, 0, 1)
	p := taskBatch(1, 4, countsDelta(&f.tables[0], map[string]int64{"a": 8}), at...)
	if err := f.sink.Commit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	standing := make([]batch.Advance, len(p.Advances))
	for i, m := range p.Advances {
		standing[i] = m
		standing[i].First = m.Next
	}
	for _, c := range []struct {
		name     string
		advances []batch.Advance
		want     batch.Outcome
	}{{"the commit", p.Advances, batch.Committed}, {"where the checkpoints stand", standing, batch.Committed}} {
		if got, err := f.sink.Resolve(t.Context(), p.ID, c.advances); err != nil || got != c.want {
			t.Errorf("%s: outcome %v, %v, expected %v", c.name, got, err, c.want)
		}
	}
	f.Exec(t, "UPDATE etl_checkpoint SET owner = x'77' WHERE partition_id = 1")
	for name, advances := range map[string][]batch.Advance{"the commit": p.Advances, "where the checkpoints stand": standing} {
		if got, err := f.sink.Resolve(t.Context(), p.ID, advances); err != nil || got != batch.Superseded {
			t.Errorf("%s, with another owner: outcome %v, %v, expected Other", name, got, err)
		}
	}
	// Not committed, and owned by another process: the batch must not be sent again.
	p2 := taskBatch(2, 4, countsDelta(&f.tables[0], map[string]int64{"a": 8}), advance(at, 4)...)
	if got, err := f.sink.Resolve(t.Context(), p2.ID, p2.Advances); err != nil || got != batch.Superseded {
		t.Errorf("a commit that was not carried out, with another owner: outcome %v, %v, expected Other", got, err)
	}
}
