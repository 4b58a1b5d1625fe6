package planner_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/batch/sinktest"
	"github.com/sluice-etl/sluice/checkpoint"
)

// A model of the environment of planners: a log with gaps, a database ([sinktest.Memory]), a group that moves
// partitions, and processes whose operations end in any order. Nothing runs concurrently; a test chooses what happens
// next.

const topicName = "logs"

// isGap reports whether an offset holds no record.
func isGap(offset int64) bool { return offset%7 == 3 }

type world struct {
	procs []*process
	owner []int // of each partition: the process that it is assigned to, -1 for none
	end   int64 // of every partition's log
	now   time.Duration
	db    *sinktest.Memory
	limit planner.Limits
	fail  func(format string, args ...any)
	lose  func() bool // whether the source loses a record of the next piece
}

type process struct {
	w       *world
	planner *planner.Planner
	sink    *sinktest.Memory
	at      map[checkpoint.Partition]*place
	inbox   []planner.Input
	pending []func() // operations under way; each posts its result
	orders  [][]func()
	pieces  map[uint64]*modelPiece
	token   uint64
	delta   []sinktest.Delta // open, by task
	batches []*batch.TaskBatch[sinktest.Delta]
	gen     []uint64
	away    map[checkpoint.Partition]func() // what the group does when a partition is released
	drained bool
}

type place struct {
	fetchID, next uint64
	paused        bool
}

type modelPiece struct {
	checkpoint.Range
	lost int64 // an offset whose record is lost, -1 for none
}

func newWorld(partitions, processes int, end int64, limit planner.Limits, fail func(string, ...any)) *world {
	w := &world{end: end, db: sinktest.NewMemory(), limit: limit, fail: fail, lose: func() bool { return false }}
	for range partitions {
		w.owner = append(w.owner, -1)
	}
	for range processes {
		w.procs = append(w.procs, w.start())
	}
	return w
}

func (w *world) start() *process {
	n := w.limit.Tasks
	p := &process{
		w: w, planner: planner.New(w.limit), sink: w.db.Peer(),
		at: map[checkpoint.Partition]*place{}, pieces: map[uint64]*modelPiece{}, orders: make([][]func(), n),
		batches: make([]*batch.TaskBatch[sinktest.Delta], n), gen: make([]uint64, n), away: map[checkpoint.Partition]func(){},
	}
	for range n {
		p.delta = append(p.delta, sinktest.Delta{})
	}
	return p
}

func partition(id int) checkpoint.Partition {
	return checkpoint.Partition{Topic: topicName, ID: int32(id)}
}

// move assigns a partition to another process. A graceful move waits for the release; otherwise the old owner learns of
// it when it reads its inbox.
func (w *world) move(id, to int, graceful bool) {
	from := w.owner[id]
	if from == to || w.moving(id) {
		return
	}
	assign := func() {
		w.owner[id] = to
		if to >= 0 {
			w.procs[to].post(planner.Assigned{Partitions: []checkpoint.Partition{partition(id)}})
		}
	}
	if from < 0 {
		assign()
		return
	}
	old := w.procs[from]
	w.owner[id] = -1
	if graceful {
		old.away[partition(id)] = assign
	} else {
		assign()
	}
	old.post(planner.Revoked{Partitions: []checkpoint.Partition{partition(id)}})
}

// moving reports whether a graceful move of the partition is under way.
func (w *world) moving(id int) bool {
	for _, p := range w.procs {
		if p.away[partition(id)] != nil {
			return true
		}
	}
	return false
}

// crash replaces a process by a new one; its partitions are unassigned until they are moved.
func (w *world) crash(i int) {
	old := w.procs[i]
	w.procs[i] = w.start()
	for id, o := range w.owner {
		if o == i {
			w.owner[id] = -1
		}
	}
	for _, assign := range old.away {
		assign()
	}
}

func (p *process) post(e planner.Input) { p.inbox = append(p.inbox, e) }

// read takes the oldest input of the inbox.
func (p *process) read() bool {
	if len(p.inbox) == 0 {
		return false
	}
	e := p.inbox[0]
	p.inbox = p.inbox[1:]
	p.step(e)
	return true
}

func (p *process) step(e planner.Input) {
	p.w.now += time.Millisecond
	for _, x := range p.planner.Step(p.w.now, e, nil) {
		p.perform(x)
	}
}

// run ends the i-th operation under way.
func (p *process) run(i int) {
	op := p.pending[i]
	p.pending = append(p.pending[:i:i], p.pending[i+1:]...)
	op()
}

// work does the oldest order of a task's worker.
func (p *process) work(task int) bool {
	if len(p.orders[task]) == 0 {
		return false
	}
	o := p.orders[task][0]
	p.orders[task] = p.orders[task][1:]
	o()
	return true
}

// fetch delivers up to n offsets of a partition that is positioned.
func (p *process) fetch(id int, n int64) bool {
	at := p.at[partition(id)]
	if at == nil || at.paused || int64(at.next) >= p.w.end {
		return false
	}
	first := int64(at.next)
	next := min(first+n, p.w.end)
	piece := &modelPiece{Range: checkpoint.Range{Partition: partition(id), First: first, Next: next}, lost: -1}
	if p.w.lose() {
		piece.lost = first
	}
	p.token++
	p.pieces[p.token] = piece
	at.next = uint64(next)
	p.post(planner.Fetched{Range: piece.Range, FetchID: at.fetchID, Token: p.token, Bytes: 100 * (next - first)})
	return true
}

func (p *process) perform(x planner.Output) {
	switch x := x.(type) {
	case planner.ClaimRequest:
		var ids []int32
		for _, id := range x.Partitions {
			ids = append(ids, id.ID)
		}
		p.pending = append(p.pending, func() {
			n := len(p.w.owner)
			topic := batch.Topic{Name: topicName, ID: checkpoint.TopicID{1}, Starts: make([]int64, n), Firsts: make([]int64, n)}
			at, err := p.sink.Claim(context.Background(), topic, ids)
			p.post(planner.ClaimResult{Task: x.Task, Op: x.Op, Checkpoints: at, Err: err})
		})
	case planner.CommitRequest:
		commit := func() {
			b := p.batches[x.Task]
			p.pending = append(p.pending, func() {
				p.post(planner.CommitResult{Task: x.Task, Op: x.Op, Err: p.sink.Commit(context.Background(), b)})
			})
		}
		if x.Again {
			commit()
			return
		}
		advances := x.Advances
		p.orders[x.Task] = append(p.orders[x.Task], func() {
			b := &batch.TaskBatch[sinktest.Delta]{Advances: advances, Delta: p.delta[x.Task]}
			copy(b.ID[:], fmt.Sprint(x.Op, p.w.now))
			p.delta[x.Task] = sinktest.Delta{}
			p.batches[x.Task] = b
			if err := sinktest.CheckTaskBatch(b); err != nil {
				p.w.fail("task batch: %v", err)
			}
			commit()
		})
	case planner.ResolveRequest:
		var id checkpoint.BatchID
		if b := p.batches[x.Task]; b != nil {
			id = b.ID
		}
		p.pending = append(p.pending, func() {
			o, err := p.sink.Resolve(context.Background(), id, x.Advances)
			p.post(planner.ResolveResult{Task: x.Task, Op: x.Op, Outcome: o, Err: err})
		})
	case planner.ConfirmRequest:
		p.pending = append(p.pending, func() {
			var ours []checkpoint.Partition
			for _, id := range x.Partitions {
				if o := p.w.owner[id.ID]; o >= 0 && p.w.procs[o] == p {
					ours = append(ours, id)
				}
			}
			p.post(planner.ConfirmResult{Task: x.Task, Op: x.Op, Partitions: ours})
		})
	case planner.WaitRequest:
		p.pending = append(p.pending, func() { p.post(planner.WaitResult{Task: x.Task, Op: x.Op}) })
	case planner.FoldRequest:
		piece := p.pieces[x.Token]
		p.orders[x.Task] = append(p.orders[x.Task], func() { p.fold(x, piece) })
	case planner.RestoreRequest:
		p.gen[x.Task] = x.Gen
		p.orders[x.Task] = append(p.orders[x.Task], func() { p.delta[x.Task], p.batches[x.Task] = sinktest.Delta{}, nil })
	case planner.PositionRequest:
		p.position(x.Position)
	case planner.Released:
		if assign := p.away[x.Partition]; assign != nil {
			delete(p.away, x.Partition)
			assign()
		}
	case planner.Stopped:
		if strings.Contains(x.Err.Error(), "BUG: fetched") {
			p.w.fail("stopped: %v", x.Err)
		}
	case planner.Fatal:
		if !errors.Is(x.Err, checkpoint.ErrCheckpointLost) {
			p.w.fail("fatal: %v", x.Err)
		}
	case planner.Drained:
		p.drained = true
	}
}

func (p *process) position(x planner.Position) {
	switch at := p.at[x.Partition]; x.Action {
	case planner.Fetch:
		paused := at != nil && at.paused
		p.at[x.Partition] = &place{fetchID: x.FetchID, next: uint64(x.Next), paused: paused}
	case planner.Remove:
		delete(p.at, x.Partition)
	case planner.Pause, planner.Resume:
		if at != nil {
			at.paused = x.Action == planner.Pause
		}
	case planner.Mirror:
	}
}

// fold counts each record by its own key, so that a record that is counted twice has a 2.
func (p *process) fold(x planner.FoldRequest, piece *modelPiece) {
	e := planner.FoldResult{Task: x.Task, Gen: x.Gen, Token: x.Token}
	o := piece.First
	for ; o < piece.Next && (e.Records < x.MaxRecords || isGap(o)) && p.gen[x.Task] == x.Gen; o++ {
		switch {
		case isGap(o):
			e.Gaps++
		case o == piece.lost:
		default:
			e.Records++
			p.delta[x.Task][fmt.Sprintf("%d@%d", piece.ID, o)]++
		}
	}
	piece.First = o
	e.Next, e.Done = o, o == piece.Next
	e.Audit.Counted = e.Records
	e.Size = int64(len(p.delta[x.Task])) * 50
	p.post(e)
}
