package mysqlout

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
)

// Windows that ended before the age are deleted, the earliest first, in chunks. A later record of them is a dead letter.
func TestP36_OldWindowsAreDeleted(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 0, 1, 2, 10, 30)
	w.move(6) // 30 - 24; it fences this process, too
	w.commit(5, 6)
	if w.fenced != 1 || len(w.dead) != 1 || !strings.Contains(w.dead[0].Reason, "earlier windows of hits are deleted (option 'retain')") {
		t.Errorf("the batch was fenced %d times and has the dead letters %v; expected once, and that of hour 5", w.fenced, w.dead)
	}
	if n, err := w.sink.DeleteExpired(t.Context(), "hits", 2); n != 2 || err != nil {
		t.Errorf("deleted %d rows, %v; expected the limit, 2", n, err)
	}
	if got, want := hits(t, db), "2 1\n6 1\n10 1\n30 1"; got != want {
		t.Errorf("after a chunk the rows are\n%s\nexpected\n%s", got, want)
	}
	if n := w.deleteAll(2); n != 1 {
		t.Errorf("deleted %d more rows, expected 1", n)
	}
	if got, want := hits(t, db), "6 1\n10 1\n30 1"; got != want {
		t.Errorf("the rows are\n%s\nexpected\n%s", got, want)
	}
	w.move(6)
	w.commit(100)
	w.move(76)
	if n := counterValue(t, w.sink.metrics.deleted.WithLabelValues("hits")); n != 3 {
		t.Errorf("the metric is %v, expected 3", n)
	}
	low, err := time.Parse(time.DateTime, hour(76))
	if got := counterValue(t, w.sink.metrics.lowWater.WithLabelValues("hits")); err != nil || got != float64(low.Unix()) {
		t.Errorf("the metric of the mark is %v, expected %d", got, low.Unix())
	}
}

// Without a checkpoint there is nothing to fence, so there is no mark yet.
func TestP36_NoMarkBeforeTheFirstClaim(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	plan := sqltest.Plan(t, "json", retainedQuery)
	c := testConfig()
	c.Retain = map[string]time.Duration{"hits": time.Hour}
	s := New(c, db.Pool, nil, nil)
	if _, err := s.Prepare(t.Context(), plan.Tables()); err != nil {
		t.Fatal(err)
	}
	if _, begun, err := s.MoveLowWater(t.Context(), "hits"); begun || err != nil {
		t.Errorf("begun is %v, %v, expected false", begun, err)
	}
	if got := db.Text(t, "SELECT COUNT(*) FROM etl_retain"); got != "0" {
		t.Errorf("etl_retain has %s rows, expected none", got)
	}
}

// The clock of the server and the newest window both bound the mark: a record from the future deletes no more than the
// clock does, and windows of old records are not deleted because the clock is far ahead of them.
func TestP36_TheMarkIsBoundedByClockAndRecords(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 20)
	w.move(-4)
	w.commit(30)
	w.move(6)
	db.Exec(t, "INSERT INTO hits (h, n) VALUES (UTC_TIMESTAMP() - INTERVAL 2 HOUR, 1), ('2099-01-01 00:00:00', 1)")
	micros, _, err := w.sink.MoveLowWater(t.Context(), "hits")
	if err != nil {
		t.Fatal(err)
	}
	at := time.UnixMicro(micros)
	if ago := time.Since(at); ago < 24*time.Hour-time.Minute || ago > 25*time.Hour+time.Minute {
		t.Errorf("with a record of 2099 the mark is %s, expected 24 to 25 hours ago", at)
	}
	if n := w.deleteAll(100); n != 3 {
		t.Errorf("deleted %d rows, expected the three old ones", n)
	}
}

// A mark never goes back, neither for a longer age nor when the newest window is gone.
func TestP36_AMarkOnlyGrows(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 50)
	w.move(26)
	longer := newWorker(t, db, 48*time.Hour, retainedQuery, 1)
	longer.move(26)
	db.Exec(t, "DELETE FROM hits WHERE n > 0")
	w.move(26)
	longer.commit(25, 26)
	if got := hits(t, db); got != "26 1" || len(longer.dead) != 1 {
		t.Errorf("the rows are %q and there are %d dead letters; expected hour 26, and the dead letter of hour 25", got, len(longer.dead))
	}
}

// A process that was started without the option, or before it was given, does not know the mark. The first mark fences
// it, and its claim finds the mark.
func TestP36_AProcessWithoutTheOption(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	other := newWorker(t, db, 0, retainedQuery, 1)
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 0, 50)
	late := other.prepare(0, 40)
	w.move(26)
	w.deleteAll(100)
	if err := other.sink.Commit(t.Context(), late); !errors.Is(err, checkpoint.ErrFenced) {
		t.Fatalf("got %v, expected %v", err, checkpoint.ErrFenced)
	}
	other.claim(1)
	other.commit(0, 40)
	if got, want := hits(t, db), "40 1\n50 1"; got != want || len(other.dead) != 1 {
		t.Errorf("the rows are\n%s\nwith %d dead letters, expected\n%s\nand 1", got, len(other.dead), want)
	}
	// From then on its commits read the mark.
	late = other.prepare(30)
	w.commit(60)
	w.move(36)
	if err := other.sink.Commit(t.Context(), late); !errors.Is(err, checkpoint.ErrStale) {
		t.Errorf("got %v for a row below a mark that has moved, expected %v", err, checkpoint.ErrStale)
	}
	// A claim of a partition that is new finds it, too.
	third := newWorker(t, db, 0, retainedQuery, 7)
	third.commit(0)
	if len(third.dead) != 1 {
		t.Errorf("another process has %d dead letters, expected 1", len(third.dead))
	}
}

// A claim that has not read the mark is fenced by the transaction that inserts it: that waits for the locks of the claim.
func TestP36_AClaimUnderWayIsFenced(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 50)
	for name, lock := range map[string]string{
		"of its own partition": "SELECT 1 FROM etl_checkpoint WHERE job = 'job' AND topic = 'logs' AND partition_id = 0 FOR UPDATE",
		"of a new partition":   "SELECT 1 FROM etl_checkpoint WHERE job = 'job' AND topic = 'logs' AND partition_id = 7 LOCK IN SHARE MODE",
	} {
		claim, err := db.SQL.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := claim.Exec(lock); err != nil {
			t.Fatal(err)
		}
		if _, begun, err := w.sink.MoveLowWater(t.Context(), "hits"); !errors.Is(err, checkpoint.ErrRetry) || begun {
			t.Errorf("a claim %s is open: begun is %v, %v, expected %v", name, begun, err, checkpoint.ErrRetry)
		}
		if err := claim.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
	w.move(26)
}

// A commit that has read the mark holds it until it ends: the mark moves only then, so what the commit has added is deleted.
func TestP36_AMarkWaitsForCommitsUnderWay(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w, other := newWorker(t, db, 24*time.Hour, retainedQuery, 0), newWorker(t, db, 24*time.Hour, retainedQuery, 1)
	w.commit(0, 20)
	w.move(-4)
	w.commit(0, 40)
	other.claim(1)
	blocker, err := db.SQL.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blocker.Exec("UPDATE hits SET n = n WHERE h = ?", hour(0)); err != nil {
		t.Fatal(err)
	}
	// One statement waits for the row for a second; the commit is tried again, so the lock of the mark is free in between.
	b, done := other.prepare(0), make(chan error, 1)
	fx := &fixture{DB: db}
	go func() { done <- other.sink.Commit(t.Context(), b) }()
	fx.awaitTransactions(t, "the commit waits for the row", 10*time.Second, "trx_state = 'LOCK WAIT'", "1")
	moved := make(chan error, 1)
	go func() {
		_, _, err := w.sink.MoveLowWater(t.Context(), "hits")
		moved <- err
	}()
	fx.awaitTransactions(t, "the mark waits for the commit", 10*time.Second, "trx_state = 'LOCK WAIT'", "2")
	if got := db.Text(t, "SELECT low_water FROM etl_retain"); !strings.HasPrefix(got, "2015-04-30") {
		t.Errorf("the mark is %s while a commit is open that has read the old one", got)
	}
	if err := blocker.Rollback(); err != nil {
		t.Fatal(err)
	}
	err = <-done
	if err == nil {
		other.committed(b)
	} else if !errors.Is(err, checkpoint.ErrRetry) {
		t.Fatal(err)
	}
	if err := <-moved; err != nil && !errors.Is(err, checkpoint.ErrRetry) {
		t.Fatal(err)
	}
	w.move(16)
	if err != nil { // the row's lock wait ended the commit first: its records are late now
		other.commit(0)
	}
	w.deleteAll(100)
	if got, want := hits(t, db), "20 1\n40 1"; got != want {
		t.Errorf("the rows are\n%s\nexpected\n%s", got, want)
	}
}

// A batch that was folded before the mark moved is folded again if a row of it is below, and committed as it is if none is.
func TestP36_ABatchOfAnOlderMark(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w, other := newWorker(t, db, 24*time.Hour, retainedQuery, 0), newWorker(t, db, 24*time.Hour, retainedQuery, 1)
	w.commit(0, 20)
	w.move(-4)
	w.commit(0, 50)
	other.claim(1)
	kept := other.prepare(26, 27)
	w.move(26)
	w.deleteAll(100)
	if err := other.sink.Commit(t.Context(), kept); err != nil {
		t.Errorf("got %v for rows at and above the mark, expected a commit", err)
	}
	other.committed(kept)
	w.commit(60)
	late := other.prepare(27, 35, 36)
	w.move(36)
	if err := other.sink.Commit(t.Context(), late); !errors.Is(err, checkpoint.ErrStale) {
		t.Errorf("got %v for rows below the mark, expected %v", err, checkpoint.ErrStale)
	}
	other.restore()
	other.commit(27, 35, 36)
	w.deleteAll(100)
	if got, want := hits(t, db), "36 1\n50 1\n60 1"; got != want || len(other.dead) != 2 {
		t.Errorf("the rows are\n%s\nwith %d dead letters, expected\n%s\nand 2", got, len(other.dead), want)
	}
}

// A database that was restored has a lower mark than the batch was folded with: its dead letters can be counted.
func TestP36_AMarkThatWasRestored(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 50)
	w.move(26)
	w.commit(50)
	db.Exec(t, "UPDATE etl_retain SET low_water = '2015-05-01 00:00:00'")
	w.commit(5, 50)
	if got, want := hits(t, db), "0 1\n5 1\n50 3"; got != want || len(w.dead) > 0 || w.stale != 1 {
		t.Errorf("the rows are\n%s\nwith the dead letters %v after %d folds, expected\n%s\nwithout any after 1", got, w.dead, w.stale, want)
	}
}

// A batch that has only dead letters compares the mark, too.
func TestP36_ABatchOfDeadLettersComparesTheMark(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 50)
	w.move(26)
	w.commit(50)
	db.Exec(t, "UPDATE etl_retain SET low_water = '2015-05-01 00:00:00'")
	w.commit(5)
	if got, want := hits(t, db), "0 1\n5 1\n50 2"; got != want || len(w.dead) > 0 || w.stale != 1 {
		t.Errorf("the rows are\n%s\nwith the dead letters %v after %d folds, expected\n%s\nwithout any after 1", got, w.dead, w.stale, want)
	}
}

// A claim makes the fold use the mark that it has read, although it is lower than the one before. Otherwise a partition
// that has stopped, because most of its records were dead letters (P20), would stay stopped after the mark was restored.
func TestP36_AClaimAdoptsARestoredMark(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 50)
	w.move(26)
	w.commit(50)
	db.Exec(t, "UPDATE etl_retain SET low_water = '2015-05-01 00:00:00'")
	w.claim(0)
	if b := w.prepare(5); len(b.Dead) > 0 {
		t.Errorf("after the claim the batch has the dead letters %v, expected none", b.Dead)
	}
}

// A mark that was deleted is inserted again where it was, by a process that knows it.
func TestP36_AMarkThatIsGoneBeginsWhereItWas(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 5, 50)
	w.move(26)
	w.deleteAll(100)
	longer := newWorker(t, db, 48*time.Hour, retainedQuery, 1)
	db.Exec(t, "DELETE FROM etl_retain")
	longer.move(26)
	longer.commit(5, 30)
	if got, want := hits(t, db), "30 1\n50 1"; got != want || len(longer.dead) != 1 {
		t.Errorf("the rows are\n%s\nwith %d dead letters, expected\n%s\nand 1", got, len(longer.dead), want)
	}
	// So does one that owns no partition, and has only moved the mark.
	idle := newWorker(t, db, 48*time.Hour, retainedQuery, 7)
	db.Exec(t, "UPDATE etl_retain SET low_water = '2015-05-02 06:00:00'") // hour 30
	idle.move(30)
	db.Exec(t, "DELETE FROM etl_retain")
	idle.move(30)
}

// The first claim of another topic has no checkpoint of its own that it could lock before it reads the marks. It locks the
// first one of each other topic, and the target. The first mark waits for it, and fences its owner.
func TestP36_TheFirstClaimOfATopicIsFenced(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w, other := newWorker(t, db, 24*time.Hour, retainedQuery, 0), newWorker(t, db, 0, retainedQuery, 1)
	w.commit(0, 50)
	other.sink.config.Adopt = true // otherwise a topic that the job did not have is refused
	web := topic(1)
	web.Name = "web"
	tx, err := db.Pool.Tx(t.Context(), pool.PriorityHigh)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Discard()
	highest, err := other.sink.ledger.Last(t.Context(), tx, web.Name)
	if err != nil {
		t.Fatal(err)
	}
	missing, err := other.sink.compare(t.Context(), tx, web, []int32{0}, nil, highest)
	if err != nil {
		t.Fatal(err)
	}
	if marks, err := other.sink.readMarks(t.Context(), tx); len(marks) > 0 || err != nil {
		t.Fatalf("the claim finds the marks %v, %v; expected none", marks, err)
	}
	if _, begun, err := w.sink.MoveLowWater(t.Context(), "hits"); !errors.Is(err, checkpoint.ErrRetry) || begun {
		t.Errorf("the claim is open: begun is %v, %v, expected %v", begun, err, checkpoint.ErrRetry)
	}
	if err := other.sink.insertMissing(t.Context(), tx, web, missing); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.move(26)
	if got := db.Text(t, "SELECT epoch FROM etl_checkpoint WHERE topic = 'web'"); got != "1" {
		t.Errorf("the epoch of the other topic is %s, expected 1, which fences its owner", got)
	}
}

// While another query takes over, and after it has, windows are neither deleted nor marked by the query before, for which
// the windows of the rows may be others.
func TestP36_AQueryThatTakesOver(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w, other := newWorker(t, db, 24*time.Hour, retainedQuery, 0), newWorker(t, db, 0, retainedQuery, 1)
	w.commit(0, 1, 50)
	first := w.sink.config.QueryHash
	other.sink.config.QueryHash, other.sink.config.ContinueQuery = [32]byte{7}, true
	other.claim(1)
	expect := func(when string) {
		t.Helper()
		if _, begun, err := w.sink.MoveLowWater(t.Context(), "hits"); begun || !errors.Is(err, checkpoint.ErrRetry) || !strings.Contains(err.Error(), "partitions of job job are counted by another query") {
			t.Errorf("%s: begun is %v, %v, expected %v", when, begun, err, checkpoint.ErrRetry)
		}
		if n, err := w.sink.DeleteExpired(t.Context(), "hits", 10); n > 0 || !errors.Is(err, checkpoint.ErrRetry) {
			t.Errorf("%s: deleted %d rows, %v; expected %v", when, n, err, checkpoint.ErrRetry)
		}
	}
	expect("before the first mark, with one partition of another query")
	if got := db.Text(t, "SELECT COUNT(*) FROM etl_retain"); got != "0" {
		t.Errorf("etl_retain has %s rows, expected none", got)
	}
	other.sink.config.QueryHash = first
	other.claim(1)
	w.move(26)
	other.sink.config.QueryHash = [32]byte{7}
	other.claim(1)
	expect("with one partition of another query")
	for id := range int32(8) {
		other.claim(id)
	}
	expect("with all partitions of another query")
	// Those of another topic have another format, and so another query.
	db.Exec(t, "UPDATE etl_checkpoint SET query_hash = x'"+fmt.Sprintf("%x", first)+"'",
		"INSERT INTO etl_checkpoint (job, topic, partition_id, topic_id, next_offset, epoch, owner, batch_id, query_hash, first_offset, updated_at) "+
			"SELECT job, 'web', partition_id, topic_id, next_offset, epoch, owner, batch_id, x'07"+strings.Repeat("00", 31)+"', first_offset, updated_at FROM etl_checkpoint")
	w.move(26)
	if n := w.deleteAll(10); n != 2 {
		t.Errorf("deleted %d rows, expected 2", n)
	}
}

// A query whose windows begin at another column than that of the mark, or that has none, is refused: it would count records
// of deleted windows.
func TestP36_AQueryWithOtherWindows(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	const from = " COUNT(*) AS n FROM events GROUP BY h, d"
	w := newWorker(t, db, 24*time.Hour, "INSERT INTO hits SELECT TUMBLE(ts, INTERVAL 1 HOUR) AS h, DATE(ts) AS d,"+from, 0)
	w.commit(0, 50)
	w.move(26)
	for text, want := range map[string]string{
		"INSERT INTO hits SELECT CAST(ts AS DATETIME) AS h, DATE(ts) AS d," + from:                                         "but for the query they begin at column d,",
		"INSERT INTO hits SELECT DATE(ts) AS d, TUMBLE(ts, INTERVAL 1 HOUR) AS h," + from:                                  "",
		"INSERT INTO hits SELECT DATE(ts) AS d, TUMBLE(ts, INTERVAL 1 HOUR) AS h, COUNT(*) AS n FROM events GROUP BY d, h": "but for the query they begin at column d,",
		"INSERT INTO hits SELECT CAST(ts AS DATETIME) AS h, CAST(ts AS DATETIME) AS d," + from:                             "but the query has no windows there",
	} {
		plan := sqltest.Plan(t, "json", text)
		c := testConfig()
		c.QueryHash, c.ContinueQuery = [32]byte{7}, true
		s := New(c, db.Pool, nil, nil)
		if _, err := s.Prepare(t.Context(), plan.Tables()); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"the start": s.CheckStart(t.Context(), topic(8)),
			"the claim": func() error { _, err := s.Claim(t.Context(), topic(8), []int32{0}); return err }(),
		} {
			if want == "" && err != nil || want != "" && (!errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: %s is %v, expected %q", text, what, err, want)
			}
		}
	}
}

// A deletion waits for no row that a commit has locked: not for the first one that stays, nor for any if there is nothing to
// delete, although no index begins with the window.
func TestP36_ADeletionWaitsForNoCommit(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	for _, indexed := range []bool{true, false} {
		db.Exec(t, "DROP TABLE IF EXISTS etl_checkpoint, etl_retain, etl_target, hits")
		key, want := "h, k", int64(2)
		if !indexed {
			key, want = "k, h", 0
		}
		db.Exec(t, "CREATE TABLE hits (h DATETIME NOT NULL, k INT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY ("+key+"))")
		w := newWorker(t, db, 24*time.Hour, "INSERT INTO hits SELECT TUMBLE(ts, INTERVAL 1 HOUR) AS h, CAST(COALESCE(k, 0) AS SIGNED) AS k, COUNT(*) AS n FROM events WHERE ts IS NOT NULL GROUP BY h, k", 0)
		w.commit(26, 27, 50)
		if indexed {
			w.commit(0, 1)
		}
		w.move(26)
		commit, err := db.SQL.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := commit.Exec("UPDATE hits SET n = n + 1 WHERE h = ?", hour(26)); err != nil {
			t.Fatal(err)
		}
		if n, err := w.sink.DeleteExpired(t.Context(), "hits", 100); n != want || err != nil {
			t.Errorf("with an index by the window (%t): deleted %d rows, %v; expected %d", indexed, n, err, want)
		}
		if err := commit.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
}

// The first marks of several targets fence the owners once. That of a table that belongs to another job is left out.
func TestP36_OneFenceForAllTargets(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	other := " AS d, COUNT(*) AS n FROM events WHERE ts IS NOT NULL GROUP BY d"
	w := newWorker(t, db, 24*time.Hour, retainedQuery+"; INSERT INTO daily SELECT DATE(ts)"+other+"; INSERT INTO theirs SELECT DATE(ts)"+other, 0)
	w.sink.config.Retain["hits"], w.sink.config.Retain["theirs"] = 24*time.Hour, 24*time.Hour
	w.commit(0, 200)
	db.Exec(t, "UPDATE etl_target SET job = 'other' WHERE table_name = 'theirs'")
	if _, begun, err := w.sink.MoveLowWater(t.Context(), "hits"); !begun || err != nil {
		t.Fatalf("begun is %v, %v", begun, err)
	}
	if got := db.Text(t, "SELECT table_name FROM etl_retain ORDER BY table_name"); got != "daily\nhits" {
		t.Errorf("the marks are of the tables\n%s\nexpected daily and hits", got)
	}
	epoch := db.Text(t, "SELECT epoch FROM etl_checkpoint WHERE partition_id = 0")
	if _, begun, err := w.sink.MoveLowWater(t.Context(), "daily"); !begun || err != nil {
		t.Fatalf("begun is %v, %v", begun, err)
	}
	if _, _, err := w.sink.MoveLowWater(t.Context(), "theirs"); !errors.Is(err, checkpoint.ErrRefused) {
		t.Errorf("the table of another job: got %v, expected %v", err, checkpoint.ErrRefused)
	}
	if got := db.Text(t, "SELECT epoch FROM etl_checkpoint WHERE partition_id = 0"); got != epoch {
		t.Errorf("the epoch was %s, and is %s after the second table; expected one fence for both", epoch, got)
	}
}

// Windows can be TIMESTAMPs, which hold no time before 1970, unlike the first mark.
func TestP36_ATimestamp(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	db.Exec(t, "CREATE TABLE hits (h TIMESTAMP NOT NULL DEFAULT '2000-01-01 00:00:00' PRIMARY KEY, n BIGINT NOT NULL)")
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	micros, begun, err := w.sink.MoveLowWater(t.Context(), "hits")
	if err != nil || !begun || micros != noMark {
		t.Errorf("the mark of an empty table is %s, begun is %v: %v", time.UnixMicro(micros).UTC(), begun, err)
	}
	w.commit(0, 1)
	if n := w.deleteAll(10); n != 0 {
		t.Errorf("deleted %d rows below the first mark, expected none", n)
	}
	w.commit(50)
	w.move(26)
	w.commit(1, 26)
	if n := w.deleteAll(10); n != 2 || len(w.dead) != 1 {
		t.Errorf("deleted %d rows, with %d dead letters, expected 2 and 1", n, len(w.dead))
	}
	if got, want := hits(t, db), "26 1\n50 1"; got != want {
		t.Errorf("the rows are\n%s\nexpected\n%s", got, want)
	}
}

// A mark that was deleted while processes run blocks them: it is unknown which windows are whole.
func TestP36_AMarkThatIsGone(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 50)
	w.move(26)
	w.commit(50)
	db.Exec(t, "CREATE TABLE kept SELECT * FROM etl_retain", "DELETE FROM etl_retain")
	b := w.prepare(51)
	if err := w.sink.Commit(t.Context(), b); !errors.Is(err, checkpoint.ErrBlocked) || !strings.Contains(err.Error(), "etl_retain has lost its row of table hits") {
		t.Errorf("got %v, expected %v", err, checkpoint.ErrBlocked)
	}
	db.Exec(t, "INSERT INTO etl_retain SELECT * FROM kept")
	if err := w.sink.Commit(t.Context(), b); err != nil {
		t.Errorf("after the repair: %v", err)
	}
}

// Only windows below the stored mark are deleted, whatever the age of the process that deletes.
func TestP36_DeletesOnlyBelowTheStoredMark(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w, shorter := newWorker(t, db, 24*time.Hour, retainedQuery, 0), newWorker(t, db, time.Hour, retainedQuery, 1)
	w.commit(0, 30, 50)
	w.move(26)
	if n := shorter.deleteAll(100); n != 1 {
		t.Errorf("deleted %d rows, expected 1", n)
	}
	if got, want := hits(t, db), "30 1\n50 1"; got != want {
		t.Errorf("the rows are\n%s\nexpected\n%s", got, want)
	}
}

// A window that can be NULL has rows of no window, which stay.
func TestP36_RowsOfNoWindowStay(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w := newWorker(t, db, 24*time.Hour, "INSERT INTO hits SELECT COALESCE(k, 'x') AS k, TUMBLE(ts, INTERVAL 1 HOUR) AS h, COUNT(*) AS n FROM events GROUP BY k, h", 0)
	w.commit(0, 50)
	db.Exec(t, "INSERT INTO hits (k, h__key, h__null, n) VALUES ('x', '2000-01-01 00:00:00', 1, 7)")
	w.move(26)
	w.commit(3)
	if n := w.deleteAll(100); n != 1 || len(w.dead) != 1 {
		t.Errorf("deleted %d rows, with %d dead letters, expected 1 and 1", n, len(w.dead))
	}
	if got := db.Text(t, "SELECT h IS NULL, n FROM hits ORDER BY n"); got != "0 1\n1 7" {
		t.Errorf("the rows are\n%s\nexpected that of hour 50 and that without an hour", got)
	}
}

// A table that another job has taken over is left to it.
func TestP36_ATableOfAnotherJob(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 50)
	w.move(26)
	db.Exec(t, "UPDATE etl_target SET job = 'other' WHERE table_name = 'hits'")
	if n, err := w.sink.DeleteExpired(t.Context(), "hits", 10); n != 0 || !errors.Is(err, checkpoint.ErrRefused) {
		t.Errorf("deleted %d rows, %v; expected %v", n, err, checkpoint.ErrRefused)
	}
	db.Exec(t, "UPDATE hits SET h = h + INTERVAL 10 HOUR ORDER BY h DESC")
	if _, _, err := w.sink.MoveLowWater(t.Context(), "hits"); !errors.Is(err, checkpoint.ErrRefused) {
		t.Errorf("moving the mark: got %v, expected %v", err, checkpoint.ErrRefused)
	}
}

// Nothing is deleted from a table that was altered until it is checked again, and nothing from one that a start refuses.
func TestP36_AnAlteredTable(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 50)
	w.move(26)
	db.Exec(t, "ALTER TABLE hits DROP PRIMARY KEY, ADD INDEX (h)")
	if n, err := w.sink.DeleteExpired(t.Context(), "hits", 10); n != 0 || !errors.Is(err, checkpoint.ErrRetry) {
		t.Errorf("deleted %d rows, %v; expected %v", n, err, checkpoint.ErrRetry)
	}
	if n, err := w.sink.DeleteExpired(t.Context(), "hits", 10); n != 0 || !errors.Is(err, checkpoint.ErrBlocked) {
		t.Errorf("deleted %d rows, %v; expected %v", n, err, checkpoint.ErrBlocked)
	}
	db.Exec(t, "ALTER TABLE hits ADD PRIMARY KEY (h)")
	if n := w.deleteAll(10); n != 1 {
		t.Errorf("after the repair %d rows were deleted, expected 1", n)
	}
}

// Many processes count records of all ages while the mark moves and windows are deleted. Every record is counted or dead,
// no row is below the mark, and the sum of each window above the last mark is that of all of its records.
func TestP36_ProcessesRace(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	db := sqltest.Open(t, server)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const processes, batches = 3, 40
	var workers []*worker
	for i := range processes {
		workers = append(workers, newWorker(t, db, 24*time.Hour, retainedQuery, int32(i)))
	}
	sent := make([]map[int]int64, processes)
	var all, counting sync.WaitGroup
	stop := make(chan struct{})
	for i, w := range workers {
		sent[i] = map[int]int64{}
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		counting.Go(func() {
			for b := range batches {
				var hours []int
				for range 5 {
					h := 3*b - random.IntN(40)
					hours = append(hours, h)
					sent[i][h]++
				}
				w.commit(hours...)
			}
		})
	}
	var deleted int64
	other := newWorker(t, db, 24*time.Hour, retainedQuery, 7)
	all.Go(func() {
		for {
			if _, _, err := other.sink.MoveLowWater(t.Context(), "hits"); err != nil && !errors.Is(err, checkpoint.ErrRetry) {
				t.Error(err)
				return
			}
			n, err := other.sink.DeleteExpired(t.Context(), "hits", 3)
			if err != nil && !errors.Is(err, checkpoint.ErrRetry) {
				t.Error(err)
				return
			}
			deleted += n
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	counting.Wait()
	close(stop)
	all.Wait()
	if t.Failed() {
		return
	}
	if _, _, err := other.sink.MoveLowWater(t.Context(), "hits"); err != nil {
		t.Fatal(err)
	}
	deleted += other.deleteAll(100)
	low := db.Text(t, "SELECT TIMESTAMPDIFF(HOUR, '2015-05-01 00:00:00', low_water) FROM etl_retain")
	var mark int
	if _, err := fmt.Sscan(low, &mark); err != nil || mark < 60 {
		t.Fatalf("the mark is %q, expected an hour from 60 on", low)
	}
	dead, stale, want := map[int]int64{}, 0, map[int]int64{}
	for i, w := range workers {
		stale += w.stale
		for _, d := range w.dead {
			at, err := time.Parse(`{"ts":"2006-01-02 15:04:05"}`, string(d.Value))
			if err != nil {
				t.Fatal(err)
			}
			dead[int(at.Sub(time.Date(2015, 5, 1, 0, 0, 0, 0, time.UTC))/time.Hour)]++
		}
		if total := w.at[0].Audit; total.Counted+total.Dead != 5*batches {
			t.Errorf("process %d has counted %d records and has %d dead ones, expected %d in total", i, total.Counted, total.Dead, 5*batches)
		}
		for h, n := range sent[i] {
			want[h] += n
		}
	}
	var lines []string
	for h := mark; h < 3*batches; h++ {
		if want[h] > 0 {
			lines = append(lines, fmt.Sprint(h, " ", want[h]))
		}
		if dead[h] > 0 {
			t.Errorf("%d records of hour %d are dead, which is not below the mark, %d", dead[h], h, mark)
		}
	}
	if got := hits(t, db); got != strings.Join(lines, "\n") {
		t.Errorf("the rows are\n%s\nexpected\n%s", got, strings.Join(lines, "\n"))
	}
	if len(dead) == 0 || stale == 0 || deleted == 0 {
		t.Errorf("%d hours have dead records, %d batches were folded again, %d rows were deleted; expected some of each", len(dead), stale, deleted)
	}
	t.Logf("the mark is %d: %d rows deleted, %d batches folded again", mark, deleted, stale)
}

// The embedded server has the same statements.
func TestP36_embedded(t *testing.T) {
	db := sqltest.Embedded(t)
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 1, 50)
	w.move(26)
	w.commit(1, 50)
	if n := w.deleteAll(1); n != 2 || len(w.dead) != 1 {
		t.Errorf("deleted %d rows, with %d dead letters, expected 2 and 1", n, len(w.dead))
	}
}

// An own table that was altered is found by the commits that read it (P19).
func TestP19_TheTableOfMarksIsCompared(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 50)
	w.move(26)
	w.commit(50)
	db.Exec(t, "ALTER TABLE etl_retain ENGINE=MyISAM")
	b := w.prepare(51)
	if err := w.sink.Commit(t.Context(), b); !errors.Is(err, checkpoint.ErrRetry) {
		t.Errorf("got %v, expected %v", err, checkpoint.ErrRetry)
	}
	if err := w.sink.Commit(t.Context(), b); !errors.Is(err, checkpoint.ErrBlocked) {
		t.Errorf("got %v, expected %v", err, checkpoint.ErrBlocked)
	}
	db.Exec(t, "ALTER TABLE etl_retain ENGINE=InnoDB")
	if err := w.sink.Commit(t.Context(), b); err != nil {
		t.Errorf("after the repair: %v", err)
	}
}

// Of two processes that raise a mark at once, the one that raises it less changes nothing, and learns the mark.
func TestP36_ALowerMarkIsNotStored(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w := newWorker(t, db, 24*time.Hour, retainedQuery, 0)
	w.commit(0, 50)
	w.move(26)
	lower := time.Date(2015, 5, 1, 3, 0, 0, 0, time.UTC).UnixMicro()
	table := w.plan.Tables()[0]
	micros, err := w.sink.raiseMark(t.Context(), "raise", &table, "hits", lower)
	if got := time.UnixMicro(micros).UTC().Format(time.DateTime); err != nil || got != hour(26) {
		t.Errorf("got %s, %v, expected %s", got, err, hour(26))
	}
	w.move(26)
}

// A claim that waits for the transaction of the first mark finds the mark: it reads the marks after it has locked its
// checkpoints, whose epochs that transaction raises.
func TestP36_AClaimThatWaitsForTheFirstMark(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	w, other := newWorker(t, db, 24*time.Hour, retainedQuery, 0), newWorker(t, db, 0, retainedQuery, 1)
	w.commit(0, 50)
	first, err := db.SQL.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Exec("SELECT 1 FROM etl_checkpoint WHERE job = 'job' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	claimed := make(chan error, 1)
	go func() {
		out, err := other.sink.Claim(t.Context(), topic(8), []int32{1})
		other.at = out
		claimed <- err
	}()
	(&fixture{DB: db}).awaitTransactions(t, "the claim waits for its checkpoint", 10*time.Second, "trx_state = 'LOCK WAIT'", "1")
	for _, text := range []string{
		"INSERT INTO etl_retain (table_name, job, window_column, low_water, updated_at) VALUES ('hits', 'job', 'h', '2015-05-02 02:00:00', UTC_TIMESTAMP(6))",
		"UPDATE etl_checkpoint SET epoch = epoch + 1, owner = 'another process' WHERE job = 'job'",
	} {
		if _, err := first.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-claimed; err != nil {
		t.Fatal(err)
	}
	other.restore()
	other.commit(0, 40)
	if got, want := hits(t, db), "0 1\n40 1\n50 1"; got != want || len(other.dead) != 1 {
		t.Errorf("the rows are\n%s\nwith %d dead letters, expected\n%s\nand 1", got, len(other.dead), want)
	}
}

// The first claims of two topics are under way. One has found no checkpoint that it could lock, and no mark, and has not
// inserted its own, when the checkpoints of the other appear and the first mark is inserted. The mark then waits for the
// claim and fences its owner. Otherwise this owner would never read the mark, and add to windows that are deleted.
func TestP36_TheFirstMarkWaitsForTheFirstClaimOfATopic(t *testing.T) {
	t.Parallel()
	f := &fixture{DB: sqltest.Open(t, mariadbtest.Start(t))}
	w, other := newWorker(t, f.DB, 24*time.Hour, retainedQuery, 0), newIdleWorker(t, f.DB, 0, retainedQuery, 1)
	f.Exec(t, "CREATE TABLE claimed AS SELECT * FROM etl_checkpoint")
	f.Exec(t, "DELETE FROM etl_checkpoint")
	begin := func(level sql.IsolationLevel, text string) *sql.Tx {
		tx, err := f.SQL.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(text); err != nil {
			t.Fatal(err)
		}
		return tx
	}
	first := begin(sql.LevelReadCommitted, "SELECT 1 FROM etl_target FOR UPDATE") // the claim of the first topic
	claimed, moved := make(chan error, 1), make(chan error, 1)
	go func() {
		out, err := other.sink.Claim(t.Context(), topicNamed("web"), []int32{0})
		other.at = out
		claimed <- err
	}()
	waits := func(what, want string) {
		t.Helper()
		f.awaitTransactions(t, what, 10*time.Second, "trx_state = 'LOCK WAIT'", want)
	}
	waits("the claim has looked for other topics", "1")
	if _, err := first.Exec("INSERT INTO etl_checkpoint SELECT * FROM claimed"); err != nil {
		t.Fatal(err)
	}
	gap := begin(sql.LevelRepeatableRead, "SELECT 1 FROM etl_checkpoint WHERE job = 'job' AND topic = 'web' FOR UPDATE") // where the claim inserts
	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	f.awaitTransactions(t, "the claim inserts", 10*time.Second, "trx_state = 'LOCK WAIT' AND trx_query LIKE 'INSERT INTO etl_checkpoint%'", "1")
	go func() {
		_, _, err := w.sink.MoveLowWater(t.Context(), "hits")
		moved <- err
	}()
	waits("the first mark waits for the claim", "2")
	if err := gap.Rollback(); err != nil {
		t.Fatal(err)
	}
	for _, done := range []chan error{claimed, moved} {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	other.restore()
	late := other.prepare(0)
	w.commit(50)
	w.move(26)
	if err := other.sink.Commit(t.Context(), late); !errors.Is(err, checkpoint.ErrFenced) {
		t.Errorf("got %v for a row below a mark that the owner does not know, expected %v", err, checkpoint.ErrFenced)
	}
	if got, want := hits(t, f.DB), "50 1"; got != want {
		t.Errorf("the rows are\n%s\nexpected\n%s", got, want)
	}
}
