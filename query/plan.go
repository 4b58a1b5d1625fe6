package query

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/query/funcs"
	"github.com/sluice-etl/sluice/query/parse"
	"github.com/sluice-etl/sluice/row"
)

// Plan is a compiled query. It is safe for concurrent use, Bind included. Each fold that it creates belongs to one
// task.
type Plan struct {
	options  Options
	format   format.Format
	programs []*program
	declared []declared
	tables   []row.Table                 // as the query would create them, sorted by name
	bound    atomic.Pointer[[]row.Table] // as they are on the server, in the same order; never changed in place
	sizes    fold.Sizes
	joined   expr.Joined
	schemas  Schemas   // nil if bodies name no schemas
	replaced row.Table // what the statements name, if they are redirected; without columns
}

// Place returns the place of an error of Compile in the text of the query, in bytes. ok is false if the place is not known.
func Place(err error) (from, to int, ok bool) {
	if e, ok := errors.AsType[*parse.Error](err); ok {
		return e.From, e.To, true
	}
	return 0, 0, false
}

// maxQuery is the maximum number of bytes of the text of a query.
const maxQuery = 256 << 10

// Compile compiles a text of one or more statements, separated by semicolons, of at most 256 KiB. Its errors are for
// the author of the query: they say what was found, what is possible and what to write. The plan is bound to the tables
// that the query would create, until Bind replaces them.
func Compile(text string, o Options) (*Plan, error) {
	if o.TimeZone == nil {
		o.TimeZone = time.UTC
	}
	o.FormatString = strings.TrimPrefix(o.FormatString, value.ByteOrderMark)
	if o.Format == "" && o.FormatString != "" {
		o.Format = format.Guess(o.FormatString)
	}
	err := o.Validate()
	if err != nil {
		return nil, err
	}
	if o.Format, err = format.Canonical(o.Format); err != nil {
		return nil, err
	}
	if len(text) > maxQuery {
		return nil, fmt.Errorf("the query has %d bytes, but it must have at most %d", len(text), maxQuery)
	}
	f, err := format.New(o.Format, o.FormatString)
	if err != nil {
		return nil, err
	}
	p := &Plan{options: o, format: f}
	for i, source := range parse.Split(text) {
		if source.IsCreate() {
			t, err := parse.Declaration(source)
			if err != nil {
				return nil, fmt.Errorf("statement %d: %w", i+1, err)
			}
			p.declared = append(p.declared, declared{number: i, source: source, table: t})
			continue
		}
		prog, err := p.compile(i, source)
		if err != nil {
			return nil, fmt.Errorf("statement %d: %w", i+1, err)
		}
		p.programs = append(p.programs, prog)
	}
	if len(p.programs) == 0 {
		return nil, errors.New("the query is empty: expected INSERT INTO table SELECT … FROM events GROUP BY …")
	}
	if err := p.checkLateness(); err != nil {
		return nil, err
	}
	if p.tables, err = wanted(p.programs); err != nil {
		return nil, err
	}
	for _, d := range p.declared {
		if o.Into != "" && d.table.FullName() == p.replaced.FullName() {
			d.source.Rename(d.table, o.Into)
		}
	}
	if err := p.declare(); err != nil {
		return nil, err
	}
	for i := range p.tables {
		p.setWindow(&p.tables[i])
	}
	return p, p.Bind(p.Tables())
}

func (p *Plan) compile(number int, source parse.Source) (*program, error) {
	st, err := parse.Statement(source, p.tablesToJoin())
	if err != nil {
		return nil, err
	}
	if p.options.Into != "" {
		if err := p.redirect(st); err != nil {
			return nil, err
		}
	}
	if err := p.join(st); err != nil {
		return nil, err
	}
	c := &builder{Compiler: expr.Compiler{Format: p.format, Library: funcs.Library(), Zone: p.options.TimeZone, Statement: st, Sizes: p.sizes, Joined: &p.joined}, maxLateness: p.options.MaxLateness, maxAhead: p.options.MaxAhead}
	prog, err := c.statement(number)
	p.sizes = c.Sizes
	if err != nil {
		return nil, source.Locate(st.Text, err)
	}
	prog.source = source
	return prog, nil
}

// redirect makes a statement write Options.Into.
func (p *Plan) redirect(st *ast.Statement) error {
	named := row.Table{Schema: st.Schema, Name: st.Table}
	switch {
	case strings.EqualFold(named.Name, p.options.Into):
		return fmt.Errorf("the replay would change %s, which is the table of the query itself: give %s another name", named.FullName(), option.Ref("into"))
	case p.replaced.Name != "" && named.FullName() != p.replaced.FullName():
		return fmt.Errorf("it writes %s, and an earlier statement %s, but a replay writes one table: give a query with the statements of one table, and replay the others by themselves",
			named.FullName(), p.replaced.FullName())
	}
	p.replaced = named
	st.Table = p.options.Into
	return nil
}

// Replaced returns the table that the statements name in place of Options.Into, without columns.
func (p *Plan) Replaced() row.Table { return p.replaced }

// Schemas are those of a registry, which Read reads if they were not known. Its error is that it cannot, of class
// checkpoint.ErrRetry. It is safe for concurrent use.
type Schemas interface {
	format.Schemas
	Read(ctx context.Context) error
}

// ReadsRegistry reports whether bodies name schemas of a registry, which UseSchemas must give.
func (p *Plan) ReadsRegistry() bool { return format.ReadsRegistry(p.format) }

// UseSchemas sets the schemas that bodies name. It is called before the first NewFold.
func (p *Plan) UseSchemas(s Schemas) {
	if f, ok := p.format.(format.RegistryFormat); ok && p.ReadsRegistry() {
		f.UseSchemas(s)
		p.schemas = s
	}
}

// NewFold creates a fold for one task. It uses the tables of the last Bind.
func (p *Plan) NewFold() batch.Fold[row.Delta] { return p.newFold() }

func (p *Plan) newFold() *fold.Fold { return fold.New(p.config()) }

// config returns the program of a new fold.
func (p *Plan) config() fold.Config {
	c := fold.Config{
		Tables:             p.bound.Load,
		Zone:               p.options.TimeZone,
		Sizes:              p.sizes,
		Joined:             p.joined.Tables,
		DeadLetterMaxBytes: p.options.DeadLetterMaxBytes,
	}
	for _, prog := range p.programs {
		c.Statements = append(c.Statements, prog.statement())
	}
	c.Parser, c.Slots = p.format.NewParser()
	if p.schemas != nil {
		c.Schemas = p.schemas
	}
	if p.options.FlumeValues {
		c.Open = flumeOpener()
	}
	return c
}

// Tables returns the tables that the query writes, as it would create them, sorted by name. The result is a copy.
func (p *Plan) Tables() []row.Table {
	tables := slices.Clone(p.tables)
	for i := range tables {
		tables[i].Columns = slices.Clone(tables[i].Columns)
	}
	return tables
}

// valueEncoding is increased whenever a release writes other rows for the same query and records.
const valueEncoding = 2

// Fingerprint returns the hash of everything that determines what rows mean (P2), and the text that is hashed.
func (p *Plan) Fingerprint() (hash [32]byte, text string) {
	var b strings.Builder
	fmt.Fprintf(&b, "format %s\ntime zone %s\nvalue encoding %d\n", p.options.Format, p.options.TimeZone, valueEncoding)
	if p.options.FormatString != "" {
		fmt.Fprintf(&b, "log format string %q\n", p.options.FormatString)
	}
	if p.options.FlumeValues {
		b.WriteString("kafka value flume\n")
	}
	if p.options.DedupHeader != "" {
		fmt.Fprintf(&b, "copies by header %q\n", p.options.DedupHeader)
	}
	if p.options.MaxLateness > 0 {
		fmt.Fprintf(&b, "max lateness %s\n", p.options.MaxLateness)
	}
	if p.options.MaxAhead > 0 {
		fmt.Fprintf(&b, "max ahead %s\n", p.options.MaxAhead)
	}
	for i := range p.declared {
		if d := &p.declared[i]; p.joins(d) {
			fmt.Fprintf(&b, "%s;\n", d.table.Text)
		}
	}
	for _, prog := range p.programs {
		fmt.Fprintf(&b, "%s;\n", prog.st.Text)
	}
	text = b.String()
	return sha256.Sum256([]byte(text)), text
}
