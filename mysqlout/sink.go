package mysqlout

import (
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// Sink is the batch.Sink of MySQL. It is safe for concurrent use by tasks with disjoint partitions. Call Prepare before
// the first Claim.
type Sink struct {
	config  Config
	pool    *pool.Pool
	log     *slog.Logger
	metrics *metrics
	schema  *schema.Checker
	ledger  *ledger.Ledger
	buffers sync.Pool // of *[]byte, for SQL text

	refreshing chan struct{} // holds one item while the tables are checked again

	mu      sync.Mutex // guards all below
	want    []row.Table
	targets map[string]*target
	own     map[string]*target // etl_checkpoint and etl_dead_letter, for the comparison of their definitions
	rebind  func([]row.Table) error
	names   schema.Naming
	packet  int  // the server's max_allowed_packet
	details bool // etl_dead_letter has the column detail
	stale   bool // the tables caused an error: they are checked again before the next commit
	held    map[checkpoint.Partition]bool
	marked  map[string]bool // the targets, by full name, that had a low-water mark at a claim (P36)
}

var _ batch.Sink[row.Delta] = (*Sink)(nil)

// New creates a sink for a valid Config. It sends nothing to the server. log and reg may be nil.
func New(c Config, p *pool.Pool, log *slog.Logger, reg prometheus.Registerer) *Sink {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Sink{
		config: c, pool: p, log: log.With("component", "mysqlout"), metrics: newMetrics(reg),
		buffers:    sync.Pool{New: func() any { b := make([]byte, 0, c.StatementBytes+c.StatementBytes/8); return &b }},
		refreshing: make(chan struct{}, 1), targets: map[string]*target{}, held: map[checkpoint.Partition]bool{}, marked: map[string]bool{},
	}
	s.schema = schema.New(c.Schema(), p, s.log)
	s.ledger = ledger.New(c.Job, p)
	return s
}

// OnAltered sets the function that is called with the tables, as Prepare returns them, whenever an ALTER TABLE has
// changed columns that the query writes. From then on rows that were folded for the old columns are not written: Commit
// returns ErrStale for them. An error of bind blocks the task. Call it before the first Commit; without it such a
// change blocks until the process is restarted.
func (s *Sink) OnAltered(bind func([]row.Table) error) { s.rebind = bind }

// find returns the target of a batch's rows.
func (s *Sink) find(r *row.Rows) (*target, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.targets[r.Table.FullName()]
	if t == nil {
		return nil, sqlerr.Bugf("rows for table %s, which Prepare has not checked", r.Table.FullName())
	}
	return t, nil
}

// statementBytes returns the usual length of a statement that writes rows, and the largest length of a row.
func (s *Sink) statementBytes() (usual, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	usual, most = s.config.StatementBytes, max(s.config.StatementBytes, 1<<20) // what every server takes by default
	if s.packet > 0 {
		usual, most = min(usual, s.packet/2), s.packet-min(1024, s.packet/8)
	}
	return usual, most
}

// learnPacket records that a statement of so many bytes was too long, so that the next try makes shorter ones. The
// limit may be unknown, or lower than when the server was inspected. It reports whether shorter statements can be made.
func (s *Sink) learnPacket(bytes int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes/2 < minPacket {
		return false
	}
	s.packet = bytes / 2
	return true
}

// minPacket is the smallest max_allowed_packet that a server can be given.
const minPacket = 1024

func (s *Sink) markSchemaStale() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stale = true
}
