package fold

import (
	"context"
	"errors"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// Fold runs a program over the records of one task. It is a batch.Fold, and unsafe for concurrent use.
type Fold struct {
	config     Config
	statements []boundStatement
	bound      *[]row.Table // the tables as the fold adopted them last
	rows       []*row.Rows  // one for each of bound
	env        Env
	rejections rejections
	unread     bool                                        // records of this batch need schemas that are not read yet
	needs      bool                                        // so did those of a batch since the last Restore
	adopted    bool                                        // the versions of joined tables are those of this batch
	topics     map[checkpoint.Partition]checkpoint.TopicID // of the partitions of the last Restore

	// Of the current record:
	pending []pending
	keys    []byte        // the keys of pending rows
	vals    []value.Value // the arguments of their cells

	// Of the current statement, for emit:
	current  *boundStatement
	emit     func()
	rejected bool // the current statement yields a row that MySQL rejected earlier
}

// pending is a row that a statement yields for the current record. Nothing is merged until all statements have
// succeeded.
type pending struct {
	statement *boundStatement
	key, end  int  // in Fold.keys
	vals      int  // the first in Fold.vals
	separate  bool // the row is not merged with others of its key, because MySQL rejected the merged row
}

// Statements that make several rows of one bound the memory of a record: it is a dead letter if it makes more rows, or
// longer keys. After a record with many rows their memory is released.
const (
	maxMadeRows = 300_000
	maxMadeKeys = 64 << 20
	manyRows    = 100_000
)

// New creates a fold for one task.
func New(c Config) *Fold {
	f := &Fold{config: c, topics: map[checkpoint.Partition]checkpoint.TopicID{}}
	f.env = *NewEnv(&c)
	f.emit = func() {
		if len(f.pending) >= maxMadeRows || len(f.keys) >= maxMadeKeys {
			f.env.Fail("the record makes too many rows: the limit is %d rows, whose keys have %d bytes", maxMadeRows, maxMadeKeys)
		}
		if f.env.Reason == "" {
			f.rejected = f.addRow(f.current)
		}
	}
	f.bind()
	f.begin()
	return f
}

// Explain makes the reasons of dead letters contain the record's text. It is for files of the person who reads the
// reasons (etl dry-run).
func (f *Fold) Explain() { f.env.Explain = true }

// bind adopts the tables as they are now.
func (f *Fold) bind() {
	bound := f.config.Tables()
	if bound == f.bound {
		return
	}
	f.bound, f.statements = bound, nil
	for i := range f.config.Statements {
		f.statements = append(f.statements, bindStatement(&f.config.Statements[i], *bound))
	}
}

// begin begins an empty delta.
func (f *Fold) begin() {
	f.rows = make([]*row.Rows, len(*f.bound))
	for i := range f.rows {
		f.rows[i] = row.NewRows(&(*f.bound)[i])
	}
}

// adoptLow adopts the low-water marks of the tables, as they are known now, for the open batch. So the rows of a batch
// have one mark each, with which the sink compares that of MySQL.
func (f *Fold) adoptLow() {
	for i, r := range f.rows {
		if w := (*f.bound)[i].Window; w != nil {
			r.Low = w.Low()
		}
	}
	for i := range f.statements {
		if s := &f.statements[i]; s.window >= 0 {
			s.low = f.rows[s.table].Low
		}
	}
}

// Add implements batch.Fold.
func (f *Fold) Add(p checkpoint.Partition, records []batch.Record, tally *batch.Tally) (size int64) {
	f.env.Partition, f.env.TopicID = p, f.topics[p]
	if !f.adopted {
		f.env.Adopt(f.config.Joined)
		f.adoptLow()
		f.adopted = true
	}
	for i := range records {
		f.add(&records[i], tally)
	}
	for i, t := range f.config.Joined {
		t.AddUnmatched(f.env.Joined[i].Unmatched)
		f.env.Joined[i].Unmatched = 0
	}
	for _, r := range f.rows {
		size += r.Size()
	}
	return size
}

// add decides the fate of one record: counted, filtered or dead.
func (f *Fold) add(in *batch.Record, tally *batch.Tally) {
	e := &f.env
	if in.Value == nil {
		tally.Filtered++ // a tombstone: there is no event
		return
	}
	e.Record, e.KafkaTime, e.Index, e.Text, e.Reason, e.Detail = in, in.Timestamp, 0, e.Text[:0], "", ""
	if cap(f.pending) > manyRows {
		f.pending, f.keys, f.vals = nil, nil, nil
	}
	f.pending, f.keys, f.vals = f.pending[:0], f.keys[:0], f.vals[:0]
	e.Body = in.Value
	var more bool
	var err error
	if f.config.Open != nil {
		err = f.config.Open(e)
	}
	if err == nil {
		more, err = f.config.Parser.Start(e.Body, &e.Fields)
	}
	for more && err == nil {
		for i := range f.statements {
			s := &f.statements[i]
			rejected := false
			switch {
			case s.Where != nil && s.Where(e) != value.Yes:
			case s.Rows == nil:
				rejected = f.addRow(s)
			default:
				rejected = f.addRows(s)
			}
			if e.Reason != "" {
				tally.Dead = append(tally.Dead, f.deadLetter(s.Number, rejected, s.Table, e.Reason, e.Detail))
				return
			}
		}
		e.Index++
		more, err = f.config.Parser.Next(&e.Fields)
	}
	if err != nil {
		if errors.Is(err, format.ErrSchemaUnread) {
			f.unread, f.needs = true, true
			tally.Filtered++ // the batch is not committed: see Take
			return
		}
		bad := format.Describe(err)
		tally.Dead = append(tally.Dead, f.deadLetter(-1, false, "", bad.Reason, bad.Detail))
		return
	}
	if len(f.pending) == 0 {
		tally.Filtered++
		return
	}
	for i := range f.pending {
		f.merge(&f.pending[i])
	}
	tally.Counted++
}

// addRows adds the pending rows of a statement that yields several rows for one row of the record. On failure the
// reason is in Env; rejected reports whether it is that of a row that MySQL rejected.
func (f *Fold) addRows(s *boundStatement) (rejected bool) {
	f.current, f.rejected = s, false
	s.Rows(&f.env, f.emit)
	return f.rejected
}

// addRow adds one pending row of a statement. On failure the reason is in Env; rejected reports whether it is that of
// a row that MySQL rejected.
func (f *Fold) addRow(s *boundStatement) (rejected bool) {
	e := &f.env
	key, vals := len(f.keys), len(f.vals)
	for i := range s.keys {
		k := &s.keys[i]
		v := k.eval(e)
		k.fit(e, &v, k.kind)
		if i == s.window && v.Set && v.Micros() < s.low {
			s.failDeleted(e, k, &v)
		}
		f.keys = k.appendKey(f.keys, &v)
	}
	for i := range s.cells {
		c := &s.cells[i]
		if !c.aggregate.HasArgument() {
			continue
		}
		f.vals = append(f.vals, c.eval(e))
		if c.aggregate.WritesArgument() {
			c.fit(e, &f.vals[len(f.vals)-1], c.kind)
		}
	}
	if e.Reason != "" {
		return false
	}
	separate := false
	if f.rejections.any() {
		var dead rejectionReason
		dead, separate = f.rejections.find(s.Table, f.keys[key:], e.Partition, e.Record.Offset)
		if dead.reason != "" {
			e.Reason, e.Detail = dead.reason, dead.detail
			return true
		}
	}
	n := len(f.pending)
	if n == cap(f.pending) {
		f.pending = append(f.pending, pending{})
	}
	f.pending = f.pending[:n+1]
	// Field by field: to build the struct first and copy it costs 4 ns a record, because the copy has to wait for the
	// stores of the fields.
	p := &f.pending[n]
	p.statement, p.key, p.end, p.vals, p.separate = s, key, len(f.keys), vals, separate
	return false
}

// appendKey appends a value to a row's key, in the encoding of its column.
func (k *keyColumn) appendKey(dst []byte, v *value.Value) []byte {
	if k.Nullable && !v.Set {
		return k.AppendNullKey(dst)
	}
	switch k.Kind {
	case row.Int, row.Decimal:
		dst = row.AppendKeyNumber(dst, v.Number)
	case row.Datetime:
		dst = row.AppendKeyDatetime(dst, v.Micros())
	default:
		dst = row.AppendKeyBytes(dst, v.Bytes)
	}
	if k.Nullable {
		dst = row.AppendNotNullKey(dst)
	}
	return dst
}

// merge adds a pending row to the delta. It cannot fail.
func (f *Fold) merge(p *pending) {
	rows := f.rows[p.statement.table]
	var i int
	if key := f.keys[p.key:p.end]; p.separate {
		i = rows.AddSeparate(key, row.Origin{Partition: f.env.Partition.ID, Offset: f.env.Record.Offset})
	} else {
		i, _ = rows.FindIn(f.env.Partition.ID, key)
	}
	cells := rows.Cells(i)
	all := f.vals[p.vals:]
	vals := all
	for j := range p.statement.cells {
		c := &p.statement.cells[j]
		var v *value.Value
		if c.aggregate.HasArgument() {
			v, vals = &vals[0], vals[1:]
		}
		cell := &cells[c.cell]
		if !c.total {
			if c.selective != nil && !c.selective.Takes(rows, &cells[c.order], c.aggregate.Input(&all[c.orderValue])) {
				continue
			}
			c.Merge.Fold(rows, cell, c.Kind, c.aggregate.Input(v))
			continue
		}
		// The same for a total. The call of the interface costs 6 ns, and nearly every cell is a total.
		if n, ok := c.aggregate.Added(v); ok {
			cell.Add(n)
		}
	}
}

// Take implements batch.Fold.
func (f *Fold) Take() row.Delta {
	d := row.Delta{Tables: f.rows}
	if f.unread {
		d.Unread = &checkpoint.Error{Class: checkpoint.ErrStale, Err: format.ErrSchemaUnread}
	}
	f.unread = false
	f.begin()
	f.adopted = false
	return d
}

// Restore implements batch.Fold. It reads the schemas that records of the discarded batch need. An error is that these
// cannot be read.
func (f *Fold) Restore(ctx context.Context, checkpoints []checkpoint.Checkpoint, rejected []batch.RejectedRow) error {
	if f.needs {
		if err := f.config.Schemas.Read(ctx); err != nil {
			return err
		}
		f.needs = false
	}
	f.unread = false
	f.bind()
	f.begin()
	f.adopted = false
	f.rejections.restore(*f.bound, checkpoints, rejected)
	clear(f.topics)
	for _, c := range checkpoints {
		f.topics[c.Partition] = c.TopicID
	}
	return nil
}

// deadLetter adds a dead letter for the current record, with a copy of its bytes.
func (f *Fold) deadLetter(statement int, rejected bool, table, reason, detail string) batch.DeadLetter {
	in := f.env.Record
	kept := in.Value[:min(len(in.Value), f.config.DeadLetterMaxBytes)]
	return batch.DeadLetter{
		Partition: f.env.Partition,
		Offset:    in.Offset,
		Statement: statement,
		Row:       rejected,
		Table:     table,
		Reason:    reason,
		Detail:    detail,
		Value:     append([]byte(nil), kept...),
		Length:    int64(len(in.Value)),
	}
}
