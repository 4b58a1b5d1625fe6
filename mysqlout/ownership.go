package mysqlout

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// etl_target assigns targets to jobs. Without it, a renamed job or a second one would add the whole history again, and
// every audit would balance (P3).

// owned lists the rows of etl_target that a claim writes.
type owned struct {
	absent []string // the targets that no job has yet
	known  []string // the rows of the others
}

// checkTargets refuses a job that would start on targets which hold rows or belong to another job. first means that the
// job has no checkpoint of the topic yet; otherwise only targets that are new to it are checked. The rows of a target may be
// those of the other topics that the job reads.
func (s *Sink) checkTargets(ctx context.Context, tx *pool.Tx, first bool) (out owned, err error) {
	stored, err := storedTargets(ctx, tx)
	if err != nil {
		return out, err
	}
	targets, names := s.boundTargets()
	for i := range targets {
		t := &targets[i]
		known := slices.DeleteFunc(slices.Clone(stored), func(name string) bool { return !names.IsStored(t, name) })
		if len(known) == 0 {
			known = []string{names.Key(t)} // another job may insert it at this moment
		}
		owner, others := "", ""
		for _, name := range known {
			job := ""
			text := sqltext.AppendText([]byte("SELECT job FROM etl_target WHERE table_name = "), name)
			if err := tx.Query(ctx, string(append(text, " FOR UPDATE"...)), func(scan func(...any) error) error {
				out.known = append(out.known, name)
				return scan(&job)
			}); err != nil {
				return out, fmt.Errorf("read etl_target: %w", err)
			}
			if owner = cmp.Or(job, owner); job != s.config.Job {
				others = cmp.Or(job, others)
			}
		}
		if owner == "" {
			out.absent = append(out.absent, names.Key(t))
		}
		if s.config.Adopt || owner != "" && others == "" && !first {
			continue
		}
		if others != "" {
			return out, s.belongsTo(t, others)
		}
		holds := false
		if err := tx.Query(ctx, string(append(sqltext.AppendTableName([]byte("SELECT 1 FROM "), t), " LIMIT 1"...)), func(func(...any) error) error {
			holds = true
			return nil
		}); err != nil {
			return out, fmt.Errorf("check whether %s is empty: %w", t.FullName(), err)
		}
		accounted, err := s.hasOtherTopics(ctx, tx, holds && owner != "")
		if err != nil {
			return out, err
		}
		if holds && !accounted {
			return out, &checkpoint.Error{
				Class: checkpoint.ErrRefused,
				Err:   fmt.Errorf("table %s holds rows, and job %q has no checkpoint that tells which records they count", t.FullName(), s.config.Job),
				Hint:  "empty the table, " + s.config.Schema().OrAdopt(),
			}
		}
	}
	return out, nil
}

// hasOtherTopics reports whether the job has a checkpoint of another of its topics, if that is asked. Rows are committed with
// checkpoints, so a caller that has seen rows of the job sees its checkpoints too.
func (s *Sink) hasOtherTopics(ctx context.Context, tx *pool.Tx, asked bool) (has bool, err error) {
	if !asked || len(s.config.Topics) == 0 {
		return false, nil
	}
	text := sqltext.AppendText([]byte("SELECT 1 FROM etl_checkpoint WHERE job = "), s.config.Job)
	text = append(text, " AND topic IN ("...)
	for i, topic := range s.config.Topics {
		if i > 0 {
			text = append(text, ',')
		}
		text = sqltext.AppendText(text, topic)
	}
	if err := tx.Query(ctx, string(append(text, ") LIMIT 1"...)), func(func(...any) error) error { has = true; return nil }); err != nil {
		return false, fmt.Errorf("read the checkpoints of the other topics: %w", err)
	}
	return has, nil
}

// heldTopics returns the first partition of each of the job's topics that are held, for the first claim of a topic, which
// has no checkpoint that could be. It locks these rows, so that a swap begins before or after the claim's transaction:
// either the claim sees that the job is held, or the swap sees that the job has counted this topic. The first low-water
// mark and the claim are ordered in the same way (beginRetain). The topics are those of the job, and not those of this
// process: another process may read other ones.
func (s *Sink) heldTopics(ctx context.Context, tx *pool.Tx) (held []checkpoint.Partition, err error) {
	text := sqltext.AppendText([]byte("SELECT topic, query_hash FROM etl_checkpoint WHERE job = "), s.config.Job)
	err = tx.Query(ctx, string(append(text, " AND partition_id = 0 LOCK IN SHARE MODE"...)), func(scan func(...any) error) error {
		var p checkpoint.Partition
		var hash []byte
		if err := scan(&p.Topic, &hash); err != nil {
			return err
		}
		if [32]byte(hash) == swapHash {
			held = append(held, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the checkpoints of the other topics: %w", err)
	}
	return held, nil
}

// storedTargets returns the names of all targets in etl_target.
func storedTargets(ctx context.Context, tx *pool.Tx) (names []string, err error) {
	err = tx.Query(ctx, "SELECT table_name FROM etl_target WHERE table_name <> ''", func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		names = append(names, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read etl_target: %w", err)
	}
	return names, nil
}

// boundTargets returns the tables that the job writes, in order of name, and how the server compares names.
func (s *Sink) boundTargets() (targets []row.Table, names schema.Naming) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.targets)) {
		if name != sqltext.DedupTable { // several jobs may write it, since its rows name their job
			targets = append(targets, s.targets[name].table)
		}
	}
	return targets, s.names
}

// writeTargets stores that the targets belong to this job, and its query. For targets without a row it uses a plain
// INSERT: if two new jobs found the same empty table, the second gets a duplicate-key error, checks again and is
// refused. The other rows are locked.
func (s *Sink) writeTargets(ctx context.Context, tx *pool.Tx, o owned) error {
	if err := s.upsertTargets(ctx, tx, o.absent, ""); err != nil {
		return err
	}
	return s.upsertTargets(ctx, tx, o.known,
		" ON DUPLICATE KEY UPDATE job = VALUES(job), query_hash = VALUES(query_hash), query_text = VALUES(query_text)")
}

func (s *Sink) upsertTargets(ctx context.Context, tx *pool.Tx, names []string, tail string) error {
	if len(names) == 0 {
		return nil
	}
	text := []byte("INSERT INTO etl_target (table_name, job, query_hash, query_text, since) VALUES ")
	for i, name := range names {
		if i > 0 {
			text = append(text, ',')
		}
		text = sqltext.AppendText(append(text, '('), name)
		text = sqltext.AppendText(append(text, ','), s.config.Job)
		text = sqltext.AppendBytes(append(text, ','), s.config.QueryHash[:])
		text = sqltext.AppendText(append(text, ','), sqltext.Cut(s.config.QueryText, 1<<20))
		text = append(text, ",UTC_TIMESTAMP(6))"...)
	}
	_, err := tx.Exec(ctx, string(append(text, tail...)))
	return err
}

// otherQuery returns the error of P2, with the lines in which the two queries differ. stored is the fingerprint in a checkpoint.
func (s *Sink) otherQuery(ctx context.Context, tx *pool.Tx, partitions []checkpoint.Partition, stored [32]byte) error {
	theirs := ""
	text := sqltext.AppendText([]byte("SELECT query_text FROM etl_target WHERE job = "), s.config.Job)
	if s.config.Topic != "" { // the stored text may be that of another topic, whose format may be another one
		text = sqltext.AppendBytes(append(text, " AND query_hash = "...), stored[:])
	}
	if err := tx.Query(ctx, string(append(text, " ORDER BY since DESC LIMIT 1"...)), func(scan func(...any) error) error {
		return scan(&theirs)
	}); err != nil {
		return fmt.Errorf("read the query of job %s: %w", s.config.Job, err)
	}
	differ := difference(theirs, s.config.QueryText)
	if theirs == "" {
		differ = "the query, the format of topic " + s.config.Topic + ", or an option that changes what is counted; the earlier text is not stored"
	}
	return &checkpoint.Error{
		Class: checkpoint.ErrRefused, Partitions: partitions,
		Err: fmt.Errorf("job %s has counted by another query: %s", s.config.Job, differ),
		Hint: s.hint("give the new query its own job and table, or give "+option.Ref("query-change")+"=continue to count with it from here on",
			"finish the replay with the query with which it began, or begin another one, into another table"),
	}
}

// hint returns what an operator can do: usual, or ofReplay if the job is a replay, which has fewer choices.
func (s *Sink) hint(usual, ofReplay string) string {
	if s.config.Replay {
		return ofReplay
	}
	return usual
}

// difference returns the lines that are in only one of the texts.
func difference(was, is string) string {
	old, now := strings.Split(was, "\n"), strings.Split(is, "\n")
	var out []string
	for _, line := range old {
		if !slices.Contains(now, line) {
			out = append(out, "was "+line)
		}
	}
	for _, line := range now {
		if !slices.Contains(old, line) {
			out = append(out, "is "+line)
		}
	}
	if out == nil {
		return "the query text is the same, but its fingerprint differs (another version of Sluice, or other options)"
	}
	return strings.Join(out, "; ")
}
