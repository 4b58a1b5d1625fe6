package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/internal/obs"
)

// Reader reads schemas by ID and keeps them. It is safe for concurrent use.
type Reader struct {
	config  Config
	client  *sr.Client
	log     *slog.Logger
	reads   *prometheus.CounterVec
	reading chan struct{} // holds a token while one Read is under way

	mu      sync.RWMutex
	schemas map[uint32]format.RegisteredSchema
	missing map[uint32]missing
	wanted  map[uint32]struct{}
	failure error // of the last read; nil if it succeeded
}

// missing is an ID that the registry does not have.
type missing struct {
	reason string
	until  time.Time // when to ask again
}

// The bounds of a Reader. An ID that a registry does not have is asked for twice, absentAfter apart, because an instance
// can lag behind the one at which a producer has registered its schema; then it is missing for missingFor. At most
// maxSchemas schemas and IDs are kept, and at most maxWanted IDs read at once. maxReferences bounds the schemas that one
// schema refers to, directly or not.
const (
	absentAfter   = 2 * time.Second
	missingFor    = time.Minute
	maxSchemas    = 10_000
	maxMissing    = 1_000_000
	maxWanted     = 1_000
	maxReferences = 100
)

// New returns a Reader that has read nothing. log and reg may be nil.
func New(c Config, log *slog.Logger, reg prometheus.Registerer) (*Reader, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	client, err := c.client()
	if err != nil {
		return nil, fmt.Errorf("create a client of the schema registry: %w", err)
	}
	r := &Reader{
		config: c, client: client, log: log.With("component", "registry"), reading: make(chan struct{}, 1),
		schemas: map[uint32]format.RegisteredSchema{}, missing: map[uint32]missing{}, wanted: map[uint32]struct{}{},
	}
	r.reads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "etl_schema_reads_total", Help: "Schemas read from the registry by result: ok, missing or failed; failed ones are read again.",
	}, []string{"result"})
	for _, result := range []string{"ok", "missing", "failed"} {
		r.reads.WithLabelValues(result)
	}
	if reg != nil {
		reg.MustRegister(r.reads)
	}
	return r, nil
}

// Schema implements format.Schemas.
func (r *Reader) Schema(id uint32) (s format.RegisteredSchema, known bool) {
	r.mu.RLock()
	s, known = r.schemas[id]
	m, absent := r.missing[id]
	r.mu.RUnlock()
	if known {
		return s, true
	}
	if absent && time.Now().Before(m.until) {
		return format.RegisteredSchema{Missing: m.reason}, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.wanted) < maxWanted {
		r.wanted[id] = struct{}{}
	}
	return s, false
}

// Read reads the schemas that Schema did not know. An error, of class checkpoint.ErrRetry, is that the registry does not
// answer; what was read before it is kept. Nothing is written, so a crash leaves nothing behind.
func (r *Reader) Read(ctx context.Context) error {
	select {
	case r.reading <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-r.reading }()
	absent, err := r.read(ctx, r.takeWanted(), false)
	if err == nil && len(absent) > 0 && obs.Wait(ctx, absentAfter) {
		_, err = r.read(ctx, absent, true)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure = err; ctx.Err() != nil {
		r.failure = nil
	}
	return err
}

// Failure returns why the last Read failed; nil if it did not.
func (r *Reader) Failure() error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.failure
}

func (r *Reader) takeWanted() (ids []uint32) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for id := range r.wanted {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// read reads schemas one after the other, up to the first error, and returns the IDs that the registry does not have. If
// confirmed is true, these are missing from now on.
func (r *Reader) read(ctx context.Context, ids []uint32, confirmed bool) (absent []uint32, err error) {
	for _, id := range ids {
		s, err := r.fetch(ctx, id)
		switch {
		case err != nil:
			if ctx.Err() == nil {
				r.reads.WithLabelValues("failed").Inc()
			}
			return nil, &checkpoint.Error{
				Class: checkpoint.ErrRetry, Err: fmt.Errorf("read schema %d from the registry at %s: %w", id, strings.Join(r.config.URLs, ", "), err),
			}
		case s.Missing != "" && !confirmed:
			absent = append(absent, id)
			continue
		}
		r.keep(id, s)
	}
	return absent, nil
}

// keep stores what the registry has for an ID.
func (r *Reader) keep(id uint32, s format.RegisteredSchema) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.wanted, id)
	if s.Missing != "" {
		r.reads.WithLabelValues("missing").Inc()
		if len(r.missing) >= maxMissing {
			clear(r.missing)
		}
		r.missing[id] = missing{s.Missing, time.Now().Add(missingFor)}
		r.log.Warn("The registry has no such schema; records that name it are dead letters", "id", id, "reason", s.Missing)
		return
	}
	r.reads.WithLabelValues("ok").Inc()
	if len(r.schemas) >= maxSchemas {
		clear(r.schemas)
	}
	delete(r.missing, id)
	r.schemas[id] = s
	r.log.Info("Schema read", "id", id)
}

// schemaNotFound is the code of the API for an ID that it does not have. Another 404 is not from the registry.
const schemaNotFound = 40403

// fetch asks for one schema and those that it refers to.
func (r *Reader) fetch(ctx context.Context, id uint32) (format.RegisteredSchema, error) {
	s, err := r.client.SchemaByID(ctx, int(id))
	if e, ok := errors.AsType[*sr.ResponseError](err); ok && e.StatusCode == http.StatusNotFound && e.ErrorCode == schemaNotFound {
		return format.RegisteredSchema{Missing: "schema not found"}, nil
	}
	if err != nil {
		return format.RegisteredSchema{}, describe(err)
	}
	if s.Type != sr.TypeAvro {
		return format.RegisteredSchema{Missing: "it is of the type " + s.Type.String()}, nil
	}
	f := referenceReader{client: r.client, seen: map[string]bool{}}
	if err := f.read(ctx, s.References); err != nil {
		return format.RegisteredSchema{}, err
	}
	return format.RegisteredSchema{Text: s.Schema, References: f.texts}, nil
}

// referenceReader reads the schemas that a schema refers to, each behind those that it refers to itself.
type referenceReader struct {
	client *sr.Client
	seen   map[string]bool
	texts  []string
}

func (f *referenceReader) read(ctx context.Context, references []sr.SchemaReference) error {
	for _, ref := range references {
		key := fmt.Sprintf("%s version %d", ref.Subject, ref.Version)
		if f.seen[key] {
			continue
		}
		if f.seen[key] = true; len(f.seen) > maxReferences {
			return fmt.Errorf("the schema refers to more than %d others", maxReferences)
		}
		s, err := f.client.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if err != nil {
			return fmt.Errorf("its reference %s: %w", key, describe(err))
		}
		if err := f.read(ctx, s.References); err != nil {
			return err
		}
		f.texts = append(f.texts, s.Schema.Schema)
	}
	return nil
}

// describe adds the status to the error of a response, whose text may be empty.
func describe(err error) error {
	if e, ok := errors.AsType[*sr.ResponseError](err); ok {
		return fmt.Errorf("%d %s: %.200q", e.StatusCode, http.StatusText(e.StatusCode), e.Error())
	}
	return err
}

// Check asks the registry for a schema, which it may not have, and returns why it does not answer.
func (r *Reader) Check(ctx context.Context) error {
	_, err := r.fetch(ctx, 1)
	return err
}

// Waiting returns the schemas for a reader of files: an ID that is not known is read at once. An error makes it a schema
// that is missing.
func (r *Reader) Waiting(ctx context.Context) *Waiting { return &Waiting{r, ctx} }

// Waiting is a Reader that waits for the registry.
type Waiting struct {
	*Reader
	ctx context.Context //nolint:containedctx // for the time of a command
}

// Schema implements format.Schemas.
func (w *Waiting) Schema(id uint32) (s format.RegisteredSchema, known bool) {
	if s, known = w.Reader.Schema(id); known {
		return s, true
	}
	if err := w.Read(w.ctx); err != nil {
		return format.RegisteredSchema{Missing: err.Error()}, true
	}
	if s, known = w.Reader.Schema(id); !known {
		s.Missing = "it could not be read"
	}
	return s, true
}
