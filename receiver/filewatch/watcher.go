package filewatch

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Watcher watches directories and gives the lines of their files to the Appender.
type Watcher struct {
	cfg     Config
	rt      receiver.Runtime
	metrics *receiver.Metrics
	report  *netserver.Reporter
	folders []*folder
	lock    *os.File
}

// New returns a watcher. cfg must be valid. Nothing is started or opened.
func New(cfg Config, rt receiver.Runtime) *Watcher {
	metrics := receiver.NewMetrics(rt.Registry, cfg.Name, []string{receiver.ReasonBodyBytes, receiver.ReasonMemory, reasonSkipped})
	w := &Watcher{cfg: cfg, rt: rt, metrics: metrics, report: netserver.NewReporter(cfg.Name, rt.Log, metrics)}
	for _, dir := range cfg.Dirs {
		w.folders = append(w.folders, newFolder(w, absolute(dir)))
	}
	return w
}

// Open locks the directory of the progress and reads the progress.
func (w *Watcher) Open(context.Context) error {
	if w.lock != nil {
		return nil
	}
	var err error
	if w.lock, err = openState(w.cfg.State); err != nil {
		return err
	}
	for _, f := range w.folders {
		if f.state, err = f.store.load(f.dir); err != nil {
			return errors.Join(err, w.Close())
		}
		f.show()
	}
	return nil
}

// Close unlocks the directory of the progress. It may be called again.
func (w *Watcher) Close() error {
	if w.lock == nil {
		return nil
	}
	err := w.lock.Close()
	w.lock = nil
	return err
}

// Status returns the status of each directory, in the order of Config.Dirs. It is safe for concurrent use.
func (w *Watcher) Status() []Status {
	all := make([]Status, len(w.folders))
	for i, f := range w.folders {
		all[i] = f.seen.status()
	}
	return all
}

// StatusSection implements receiver.StatusReporter.
func (w *Watcher) StatusSection() (name string, value any) { return "folders", w.Status() }

// Run reads until ctx is done, and returns nil then. Each directory has its own goroutine. A stop (P33) reads nothing
// more. A batch that the Appender has gets ShutdownTimeout to reach Kafka and for its offset to be written; otherwise
// it is read again after the next start.
func (w *Watcher) Run(ctx context.Context) error {
	if err := w.Open(ctx); err != nil {
		return err
	}
	defer func() { _ = w.Close() }() // only read from
	work, done := netserver.WithGracePeriod(ctx, w.rt.ShutdownTimeout)
	defer done()
	var watching sync.WaitGroup
	for _, f := range w.folders {
		w.report.Log().Info("Watching directory", "dir", f.dir, "progress", f.store.path)
		watching.Go(func() { f.watch(ctx, work) })
	}
	watching.Wait()
	return nil
}
