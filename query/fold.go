package query

import (
	"context"
	"errors"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/fold/window"
	"github.com/sluice-etl/sluice/row"
)

// fold runs a plan over the records of one task.
type fold struct {
	plan    *Plan
	parser  format.Parser
	stmts   []stmt
	bound   *[]row.Table // the plan's tables as the fold took them over last
	rows    []*row.Rows  // one for each of bound
	rec     rec
	pending []pending     // of the record at hand
	keys    []byte        // their keys
	vals    []value.Value // their cells
	refused refusals
	keep    int // bytes of a dead letter's value
}

// stmt is a program bound to its table.
type stmt struct {
	*program
	table int
	keys  []keyColumn
	cells []cellColumn
}

type keyColumn struct {
	limits
	x compiled
}

type cellColumn struct {
	limits
	act  action
	cell int // its place in the row's cells
	x    compiled
}

// pending is a row that a statement makes of the record at hand: nothing is merged until all have succeeded.
type pending struct {
	stmt     *stmt
	key, end int  // in fold.keys
	vals     int  // the first in fold.vals
	apart    bool // the row is not merged with others of its key, because MySQL rejected the merged row
}

// NewFold makes a fold for one task. Call it after Bind.
func (p *Plan) NewFold() batch.Fold[row.Delta] {
	parser, slots := p.format.NewParser()
	f := &fold{plan: p, parser: parser, keep: p.options.DeadLetterMaxBytes}
	f.rec.Values = make([]value.Value, slots)
	f.rec.Times.Zone = p.options.TimeZone
	f.rec.windows = make([]window.Span, p.windows)
	f.bind()
	f.begin()
	return f
}

// bind fits the statements to the tables as they were bound last.
func (f *fold) bind() {
	bound := f.plan.bound.Load()
	if bound == f.bound {
		return
	}
	f.bound, f.stmts = bound, nil
	for _, prog := range f.plan.programs {
		s := stmt{program: prog}
		full := (&row.Table{Schema: prog.st.Schema, Name: prog.st.Table}).FullName()
		for i := range *bound {
			if (*bound)[i].FullName() == full {
				s.table = i
			}
		}
		t := &(*bound)[s.table]
		keys, places := prog.places(t)
		for i, o := range keys {
			s.keys = append(s.keys, keyColumn{newLimits(&t.Columns[i]), o.x})
		}
		for i, o := range prog.cells {
			s.cells = append(s.cells, cellColumn{newLimits(&t.Columns[t.Keys+places[i]]), o.act, places[i], o.x})
		}
		f.stmts = append(f.stmts, s)
	}
}

func (f *fold) begin() {
	f.rows = make([]*row.Rows, len(*f.bound))
	for i := range f.rows {
		f.rows[i] = row.NewRows(&(*f.bound)[i])
	}
}

// Add implements batch.Fold.
func (f *fold) Add(p checkpoint.Partition, records []batch.Record, tally *batch.Tally) (size int64) {
	f.rec.part = p
	for i := range records {
		f.add(&records[i], tally)
	}
	for _, r := range f.rows {
		size += r.Size()
	}
	return size
}

// add gives one record its fate.
func (f *fold) add(in *batch.Record, tally *batch.Tally) {
	r := &f.rec
	if in.Value == nil {
		tally.Filtered++ // a tombstone: there is no event
		return
	}
	r.in, r.index, r.text, r.Reason, r.Detail = in, 0, r.text[:0], "", ""
	f.pending, f.keys, f.vals = f.pending[:0], f.keys[:0], f.vals[:0]
	more, err := false, r.open(f.plan.options.FlumeValues)
	if err == nil {
		more, err = f.parser.Start(r.event.Body, &r.Fields)
	}
	for more && err == nil {
		for i := range f.stmts {
			s := &f.stmts[i]
			row := f.evaluate(s)
			if r.Reason != "" {
				tally.Dead = append(tally.Dead, f.deadLetter(s.number, row, (*f.bound)[s.table].FullName(), r.Reason, r.Detail))
				return
			}
		}
		r.index++
		more, err = f.parser.Next(&r.Fields)
	}
	if err != nil {
		if bad, ok := errors.AsType[*format.Error](err); ok {
			r.Detail = bad.Detail
		}
		tally.Dead = append(tally.Dead, f.deadLetter(-1, false, "", err.Error(), r.Detail))
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

// evaluate makes at most one pending row. On failure it leaves the reason in rec.reason; row says that it is MySQL's.
func (f *fold) evaluate(s *stmt) (row bool) {
	r := &f.rec
	if s.where != nil && s.where(r) != value.Yes {
		return false
	}
	key, vals := len(f.keys), len(f.vals)
	for i := range s.keys {
		k := &s.keys[i]
		v := k.x.eval(r)
		k.fit(r, &v, k.x.Kind)
		f.keys = appendKey(f.keys, &v, k.Kind)
	}
	for i := range s.cells {
		c := &s.cells[i]
		switch c.act {
		case actCount:
		case actCountSet:
			f.vals = append(f.vals, c.x.eval(r))
		default:
			f.vals = append(f.vals, c.x.eval(r))
			c.fit(r, &f.vals[len(f.vals)-1], c.x.Kind)
		}
	}
	if r.Reason != "" {
		return false
	}
	apart := false
	if f.refused.any() {
		var dead why
		dead, apart = f.refused.find((*f.bound)[s.table].FullName(), f.keys[key:], r.part, r.in.Offset)
		if dead.reason != "" {
			r.Reason, r.Detail = dead.reason, dead.detail
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
	p.stmt, p.key, p.end, p.vals, p.apart = s, key, len(f.keys), vals, apart
	return false
}

func appendKey(dst []byte, v *value.Value, k row.Kind) []byte {
	switch k {
	case row.Int, row.Decimal:
		return row.AppendKeyNumber(dst, v.Number)
	case row.Datetime:
		return row.AppendKeyDatetime(dst, v.Micros())
	}
	return row.AppendKeyBytes(dst, v.Bytes)
}

// merge adds a pending row to the delta. It cannot fail.
func (f *fold) merge(p *pending) {
	rows := f.rows[p.stmt.table]
	var i int
	if key := f.keys[p.key:p.end]; p.apart {
		i = rows.Apart(key, row.Origin{Partition: f.rec.part.ID, Offset: f.rec.in.Offset})
	} else {
		i, _ = rows.FindIn(f.rec.part.ID, key)
	}
	cells := rows.Cells(i)
	vals := f.vals[p.vals:]
	for j := range p.stmt.cells {
		c := &p.stmt.cells[j]
		in := row.Value{Set: true}
		switch c.act {
		case actCount:
			in.Lo = 1
		case actCountSet:
			if vals[0].Set {
				in.Lo = 1
			}
			vals = vals[1:]
		default:
			in.Number, in.Bytes, in.Set = vals[0].Number, vals[0].Bytes, vals[0].Set
			vals = vals[1:]
		}
		c.Merge.Fold(rows, &cells[c.cell], c.Kind, in)
	}
}

// Take implements batch.Fold.
func (f *fold) Take() row.Delta {
	d := row.Delta{Tables: f.rows}
	f.begin()
	return d
}

// Restore implements batch.Fold.
func (f *fold) Restore(_ context.Context, checkpoints []checkpoint.Checkpoint, refused []batch.RejectedRow) error {
	f.bind()
	f.begin()
	f.refused.restore(*f.bound, checkpoints, refused)
	return nil
}

// deadLetter keeps the record at hand aside, with bytes of its own.
func (f *fold) deadLetter(statement int, row bool, table, reason, detail string) batch.DeadLetter {
	in := f.rec.in
	kept := in.Value[:min(len(in.Value), f.keep)]
	return batch.DeadLetter{
		Partition: f.rec.part,
		Offset:    in.Offset,
		Statement: statement,
		Row:       row,
		Table:     table,
		Reason:    reason,
		Detail:    detail,
		Value:     append([]byte(nil), kept...),
		Length:    int64(len(in.Value)),
	}
}
