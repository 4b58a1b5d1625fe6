package planner_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
)

// TestScenarios passes the inputs of each file of testdata to a planner, and compares its outputs. testdata/README.md
// describes the notation. With -rewrite the outputs in the files are replaced: read the difference before you commit
// it.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			t.Parallel()
			var s *scenario
			datadriven.RunTest(t, f, func(t *testing.T, d *datadriven.TestData) string {
				if s == nil || d.Cmd == "limits" {
					s = newScenario(t, d)
				}
				switch d.Cmd {
				case "limits":
					return "ok"
				case "status":
					return s.status()
				}
				return s.run(t, d)
			})
		})
	}
}

// scenario is a planner, and what the inputs of a transcript refer to without naming it.
type scenario struct {
	planner *planner.Planner
	now     time.Duration
	tasks   int
	op      map[int]uint64 // of each task's last request with an Op
	claim   map[int][]checkpoint.Partition
	fold    map[int]planner.FoldRequest // each task's last
	fetchID map[int32]uint64            // of each partition's last Fetch
	fetched map[uint64]int64            // where the next fold of a piece begins, by token
	token   uint64
}

func newScenario(t *testing.T, d *datadriven.TestData) *scenario {
	l := limits()
	if d.Cmd == "limits" {
		d.MaybeScanArgs(t, "tasks", &l.Tasks)
		d.MaybeScanArgs(t, "max-records", &l.MaxRecords)
		d.MaybeScanArgs(t, "max-bytes", &l.MaxBytes)
		d.MaybeScanArgs(t, "memory", &l.Memory)
		l.Recheck = duration(t, d, "recheck", l.Recheck)
	}
	return &scenario{
		planner: planner.New(l), tasks: l.Tasks, op: map[int]uint64{}, claim: map[int][]checkpoint.Partition{},
		fold: map[int]planner.FoldRequest{}, fetchID: map[int32]uint64{}, fetched: map[uint64]int64{},
	}
}

func duration(t *testing.T, d *datadriven.TestData, name string, otherwise time.Duration) time.Duration {
	s := ""
	if !d.MaybeScanArgs(t, name, &s) {
		return otherwise
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return v
}

// status writes the planner's status.
func (s *scenario) status() string {
	var lines []string
	for n, t := range s.planner.Status().Tasks {
		line := fmt.Sprintf("%s, open %d records, %d bytes queued", t.State, t.Open, t.Queued)
		if t.Closed >= 0 {
			line += fmt.Sprintf(", closed %d records", t.Closed)
		}
		if t.OutcomeUnknown {
			line += ", outcome unknown"
		}
		if t.Folding {
			line += ", folding"
		}
		lines = append(lines, s.of(n, line))
		for _, p := range t.Partitions {
			line := fmt.Sprintf("  %d %s at %d, fetched to %d", p.Checkpoint.ID, p.State, p.Checkpoint.Next, p.Fetched)
			if p.Leaving {
				line += ", leaving"
			}
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// of prefixes a line with its task, unless there is only one.
func (s *scenario) of(task int, line string) string {
	if s.tasks > 1 {
		line = fmt.Sprintf("task %d: %s", task, line)
	}
	return line
}

// run takes one directive, a millisecond after the one before.
func (s *scenario) run(t *testing.T, d *datadriven.TestData) string {
	s.now += time.Millisecond + duration(t, d, "after", 0)
	in := s.input(t, d)
	var lines []string
	for _, o := range s.planner.Step(s.now, in, nil) {
		s.note(o)
		lines = append(lines, s.text(o))
	}
	if lines == nil {
		return "nothing"
	}
	return strings.Join(lines, "\n")
}

// input makes the planner's input of a directive.
func (s *scenario) input(t *testing.T, d *datadriven.TestData) planner.Input {
	task := 0
	d.MaybeScanArgs(t, "task", &task)
	op := s.op[task]
	d.MaybeScanArgs(t, "op", &op)
	err := failure(t, d)
	switch d.Cmd {
	case "assigned":
		return planner.Assigned{Partitions: numbered(d)}
	case "revoked":
		return planner.Revoked{Partitions: numbered(d)}
	case "fetched":
		return s.fetchedInput(t, d, err)
	case "folded":
		return s.foldedInput(t, d, task)
	case "claimed":
		r := planner.ClaimResult{Task: task, Op: op, Err: err}
		if err == nil {
			r.Checkpoints = s.claimed(t, d, task)
		}
		return r
	case "committed":
		return planner.CommitResult{Task: task, Op: op, Err: err}
	case "resolved":
		outcome := planner.Superseded
		if d.HasArg("committed") {
			outcome = planner.Committed
		} else if d.HasArg("not-committed") {
			outcome = planner.NotCommitted
		}
		return planner.ResolveResult{Task: task, Op: op, Outcome: outcome, Err: err}
	case "confirmed":
		return planner.ConfirmResult{Task: task, Op: op, Partitions: numbered(d), Err: err}
	case "waited":
		return planner.WaitResult{Task: task, Op: op}
	case "tick":
		return planner.Tick{}
	case "drain":
		return planner.Drain{}
	}
	d.Fatalf(t, "unknown input %q", d.Cmd)
	return nil
}

func (s *scenario) fetchedInput(t *testing.T, d *datadriven.TestData, err error) planner.Fetched {
	in := planner.Fetched{LeaderEpoch: 0, Bytes: 1, Err: err}
	in.Partition = numbered(d)[0]
	d.MaybeScanArgs(t, "first", &in.First)
	d.MaybeScanArgs(t, "next", &in.Next)
	leaderEpoch, bytes := int64(0), int64(1)
	d.MaybeScanArgs(t, "leader-epoch", &leaderEpoch)
	d.MaybeScanArgs(t, "bytes", &bytes)
	in.LeaderEpoch, in.Bytes = int32(leaderEpoch), bytes
	in.FetchID = s.fetchID[in.ID]
	d.MaybeScanArgs(t, "fetch-id", &in.FetchID)
	if err == nil {
		s.token++
		in.Token = s.token
		s.fetched[s.token] = in.First
	}
	return in
}

// foldedInput returns the result of the task's last FoldRequest. Without fates, every offset is a counted record.
func (s *scenario) foldedInput(t *testing.T, d *datadriven.TestData, task int) planner.FoldResult {
	f := s.fold[task]
	r := planner.FoldResult{Task: task, Gen: f.Gen, Token: f.Token, Done: !d.HasArg("more"), Size: 1}
	d.ScanArgs(t, "next", &r.Next)
	fates := false
	for name, n := range map[string]*int64{
		"counted": &r.Audit.Counted, "filtered": &r.Audit.Filtered, "dead": &r.Audit.Dead, "duplicates": &r.Audit.Duplicates,
		"gaps": &r.Gaps,
	} {
		fates = d.MaybeScanArgs(t, name, n) || fates
	}
	if !fates {
		r.Audit.Counted = r.Next - s.fetched[f.Token]
	}
	r.Records = r.Audit.Total()
	d.MaybeScanArgs(t, "records", &r.Records)
	d.MaybeScanArgs(t, "size", &r.Size)
	s.fetched[f.Token] = r.Next
	return r
}

// claimed returns the checkpoints that a claim found: at offset 0 unless the directive sets another, such as 3@40 for
// partition 3.
func (s *scenario) claimed(t *testing.T, d *datadriven.TestData, task int) (out []checkpoint.Checkpoint) {
	next, leaderEpoch, epoch := map[string]int64{}, int64(-1), int64(1)
	for _, a := range d.CmdArgs {
		if id, offset, found := strings.Cut(a.Key, "@"); found {
			n, err := strconv.ParseInt(offset, 10, 64)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			next[id] = n
		}
	}
	d.MaybeScanArgs(t, "leader-epoch", &leaderEpoch)
	d.MaybeScanArgs(t, "epoch", &epoch)
	topic := int64(0)
	d.MaybeScanArgs(t, "topic", &topic)
	for _, p := range s.claim[task] {
		c := checkpoint.Checkpoint{LeaderEpoch: int32(leaderEpoch), Epoch: checkpoint.Epoch(epoch), Owner: checkpoint.Owner{1}}
		c.TopicID = checkpoint.TopicID{byte(topic)}
		c.Partition, c.Next = p, next[strconv.Itoa(int(p.ID))]
		out = append(out, c)
	}
	return out
}

// numbered returns the partitions of the arguments that are numbers.
func numbered(d *datadriven.TestData) (out []checkpoint.Partition) {
	for _, a := range d.CmdArgs {
		if id, err := strconv.Atoi(a.Key); err == nil {
			out = append(out, partition(id))
		}
	}
	return out
}

// failure returns the error of a directive with error=CLASS; about=(0, 1) lists the partitions that it names.
func failure(t *testing.T, d *datadriven.TestData) error {
	name := ""
	if !d.MaybeScanArgs(t, "error", &name) {
		return nil
	}
	classes := map[string]error{
		"retry": checkpoint.ErrRetry, "fenced": checkpoint.ErrFenced, "unknown": checkpoint.ErrUnknown,
		"too-large": checkpoint.ErrTooLarge, "stale": checkpoint.ErrStale, "blocked": checkpoint.ErrBlocked,
		"refused": checkpoint.ErrRefused, "checkpoint-lost": checkpoint.ErrCheckpointLost,
	}
	switch {
	case name == "rows-rejected":
		return fmt.Errorf("row of hits: %w", planner.ErrRowsRejected)
	case name == "unclassified":
		return errors.New("unclassified")
	case classes[name] == nil:
		d.Fatalf(t, "unknown class %q", name)
	}
	e := &checkpoint.Error{Class: classes[name], Err: errors.New(name)}
	if a, ok := d.Arg("about"); ok {
		for _, v := range a.Vals {
			id, err := strconv.Atoi(v)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			e.Partitions = append(e.Partitions, partition(id))
		}
	}
	return e
}

// note remembers what later inputs refer to.
func (s *scenario) note(o planner.Output) {
	switch o := o.(type) {
	case planner.ClaimRequest:
		s.op[o.Task], s.claim[o.Task] = o.Op, o.Partitions
	case planner.CommitRequest:
		s.op[o.Task] = o.Op
	case planner.ResolveRequest:
		s.op[o.Task] = o.Op
	case planner.ConfirmRequest:
		s.op[o.Task] = o.Op
	case planner.WaitRequest:
		s.op[o.Task] = o.Op
	case planner.FoldRequest:
		s.fold[o.Task] = o
	case planner.PositionRequest:
		if o.Action == planner.Fetch {
			s.fetchID[o.ID] = o.FetchID
		}
	}
}

// text writes an output.
func (s *scenario) text(o planner.Output) string {
	of := func(task int, format string, args ...any) string { return s.of(task, fmt.Sprintf(format, args...)) }
	switch o := o.(type) {
	case planner.ClaimRequest:
		return of(o.Task, "claim %s (op %d)", idsOf(o.Partitions), o.Op)
	case planner.CommitRequest:
		what := "commit"
		if o.Again {
			what = "commit again"
		}
		return of(o.Task, "%s %s (op %d)", what, advancesText(o.Advances), o.Op)
	case planner.ResolveRequest:
		what := "resolve"
		if o.Check {
			what = "check"
		}
		return of(o.Task, "%s %s (op %d)", what, advancesText(o.Advances), o.Op)
	case planner.ConfirmRequest:
		return of(o.Task, "confirm %s (op %d)", idsOf(o.Partitions), o.Op)
	case planner.WaitRequest:
		return of(o.Task, "wait, attempt %d: %v (op %d)", o.Attempt, o.Cause, o.Op)
	case planner.FoldRequest:
		return of(o.Task, "fold piece %d, up to %d records", o.Token, o.MaxRecords)
	case planner.DropRequest:
		return fmt.Sprintf("drop piece %d", o.Token)
	case planner.RestoreRequest:
		return of(o.Task, "restore %s", checkpointsText(o.Checkpoints))
	case planner.PositionRequest:
		return positionText(o.Position)
	case planner.Released:
		return fmt.Sprintf("released %d", o.Partition.ID)
	case planner.Stopped:
		return fmt.Sprintf("stopped %d: %v", o.Partition.ID, o.Err)
	case planner.Fenced:
		return of(o.Task, "fenced, %d in a minute: %v", o.Times, o.Err)
	case planner.Advanced:
		return of(o.Task, "advanced, %d records", o.Records)
	case planner.Fatal:
		return fmt.Sprintf("fatal: %v", o.Err)
	case planner.Drained:
		return "drained"
	}
	return fmt.Sprintf("%#v", o)
}

func idsOf(partitions []checkpoint.Partition) string {
	var ids []string
	for _, p := range partitions {
		ids = append(ids, strconv.Itoa(int(p.ID)))
	}
	return strings.Join(ids, " ")
}

func advancesText(advances []planner.Advance) string {
	var out []string
	for _, a := range advances {
		text := fmt.Sprintf("%d[%d,%d) leader epoch %d", a.ID, a.First, a.Next, a.LeaderEpoch)
		for _, f := range []struct {
			name string
			n    int64
		}{
			{"counted", a.Audit.Counted}, {"filtered", a.Audit.Filtered}, {"dead", a.Audit.Dead},
			{"duplicates", a.Audit.Duplicates}, {"gaps", a.Audit.Gaps},
		} {
			if f.n > 0 {
				text += fmt.Sprintf(", %d %s", f.n, f.name)
			}
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func checkpointsText(checkpoints []checkpoint.Checkpoint) string {
	if len(checkpoints) == 0 {
		return "nothing"
	}
	var out []string
	for _, c := range checkpoints {
		out = append(out, fmt.Sprintf("%d@%d", c.ID, c.Next))
	}
	return strings.Join(out, " ")
}

func positionText(p planner.Position) string {
	switch p.Action {
	case planner.Fetch:
		topic := ""
		if p.TopicID != (checkpoint.TopicID{}) {
			topic = fmt.Sprintf(", topic %d", p.TopicID[0])
		}
		return fmt.Sprintf("fetch %d from %d, leader epoch %d%s (fetch ID %d)", p.ID, p.Next, p.LeaderEpoch, topic, p.FetchID)
	case planner.Pause:
		return fmt.Sprintf("pause %d", p.ID)
	case planner.Resume:
		return fmt.Sprintf("resume %d", p.ID)
	case planner.Remove:
		return fmt.Sprintf("remove %d", p.ID)
	case planner.Mirror:
		return fmt.Sprintf("mirror %d at %d", p.ID, p.Next)
	}
	return fmt.Sprintf("%+v", p)
}
