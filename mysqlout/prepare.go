package mysqlout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// Prepare makes missing tables where it may, then checks all of them, always: whoever lost the race to make a table may
// have lost it to another shape. It returns the tables as they are, in the order of want, with the bounds of the real
// columns. Refusals are one ErrRefused; warnings are logged.
func (s *Sink) Prepare(ctx context.Context, want []row.Table) ([]row.Table, error) {
	if s.config.CreateTables {
		if err := s.create(ctx, want); err != nil {
			return nil, err
		}
	}
	findings, seen, err := s.look(ctx, want)
	if err != nil {
		return nil, err
	}
	var refusals []error
	for _, f := range findings {
		if f.Warning {
			s.log.Warn("The target is not as it should be", "subject", f.Subject, "seen", f.Seen, "do", f.Do)
		} else {
			refusals = append(refusals, errors.New(f.String()))
		}
	}
	if refusals != nil {
		return nil, &checkpoint.Error{Class: checkpoint.ErrRefused, Err: errors.Join(refusals...)}
	}
	s.bind(want, seen)
	return tablesOf(seen.targets), nil
}

// seen is the tables as look found them.
type seen struct {
	targets []judged
	own     map[string]string // definitions of our own tables
}

func (s *Sink) bind(want []row.Table, tables seen) {
	targets, own := map[string]*target{}, map[string]*target{}
	for _, t := range tables.targets {
		targets[t.FullName()] = newTarget(t.Table)
		targets[t.FullName()].definition, targets[t.FullName()].index = t.definition, t.index
	}
	for name, text := range tables.own {
		own[name] = &target{table: row.Table{Name: name}, definition: text}
	}
	if s.config.Dedup {
		targets[sqltext.DedupTable] = newTarget(DedupTable())
		targets[sqltext.DedupTable].definition = tables.own[sqltext.DedupTable]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want, s.targets, s.own, s.stale = slices.Clone(want), targets, own, false
}

// create makes missing tables. DDL commits what is open, so it has a transaction of its own, with nothing else in it.
func (s *Sink) create(ctx context.Context, want []row.Table) error {
	tx, err := s.pool.Tx(ctx, pool.First)
	if err != nil {
		return s.failed("make tables", err)
	}
	defer tx.Rollback(ctx)
	names, err := readNaming(ctx, tx)
	if err != nil {
		return s.failed("ask how names of tables are told apart", err)
	}
	if names.twice(want) != nil {
		return nil // look refuses them
	}
	for _, o := range s.ownTables(tx.Server) {
		there, err := s.createOne(ctx, tx, &row.Table{Name: o.name}, o.create())
		if err == nil && there != nil {
			err = s.addLater(ctx, tx, o, there)
		}
		if err != nil {
			return err
		}
	}
	for i := range want {
		if _, err := s.createOne(ctx, tx, &want[i], createTarget(tx.Server, &want[i])); err != nil {
			return err
		}
	}
	return nil
}

// createOne makes a table that is missing, and returns one that is there. It looks first: a user without the right to
// make tables may well write to those that are there.
func (s *Sink) createOne(ctx context.Context, tx *pool.Tx, t *row.Table, text string) (there *found, err error) {
	f, err := inspect(ctx, tx, t)
	if err != nil {
		return nil, s.failed("look for table "+t.FullName(), err)
	}
	if f.engine != "" {
		return f, nil
	}
	if _, err := tx.Exec(ctx, text); err != nil {
		return nil, s.failed("make table "+t.FullName(), err)
	}
	s.log.Info("Made a table", "table", t.FullName())
	return nil, nil
}

// addLater adds the columns that a table of an older release lacks. Where the server refuses, for want of the right
// ALTER or because the table is locked, the table serves as it is: look warns of it.
func (s *Sink) addLater(ctx context.Context, tx *pool.Tx, o ownTable, there *found) error {
	for _, text := range o.later {
		if name, _, _ := strings.Cut(text, " "); there.column(name) != nil {
			continue
		}
		switch _, err := tx.Exec(ctx, o.add(text)); {
		case err == nil:
			s.log.Info("Added a column", "table", o.name, "column", text)
		case sqlerr.Number(err) == 0:
			return s.failed("add a column to "+o.name, err)
		case sqlerr.Number(err) != errDuplicateColumn: // of another process, which was first
			s.log.Warn("Cannot add a column", "table", o.name, "column", text, "err", err)
		}
	}
	return nil
}

const errDuplicateColumn = 1060

// Check finds all that stands against a run, and changes nothing. An error means that the question could not be asked.
func (s *Sink) Check(ctx context.Context, want []row.Table) ([]Finding, error) {
	findings, _, err := s.look(ctx, want)
	return findings, err
}

func (s *Sink) look(ctx context.Context, want []row.Table) (findings []Finding, tables seen, err error) {
	tables.own = map[string]string{}
	tx, err := s.pool.Tx(ctx, pool.First)
	if err != nil {
		return nil, tables, s.failed("check tables", err)
	}
	defer tx.Rollback(ctx)
	names, err := readNaming(ctx, tx)
	if err != nil {
		return nil, tables, s.failed("ask how names of tables are told apart", err)
	}
	s.mu.Lock()
	s.names = names
	s.mu.Unlock()
	findings = names.twice(want)
	for _, o := range s.ownTables(tx.Server) {
		f, text, err := inspectWhole(ctx, tx, &row.Table{Name: o.name})
		if err != nil {
			return nil, tables, s.failed("check table "+o.name, err)
		}
		tables.own[o.name] = text
		findings = append(findings, o.judge(f)...)
		if o.name == sqltext.DeadLetterTable {
			s.mu.Lock()
			s.details = f.column(sqltext.DetailColumn) != nil
			s.mu.Unlock()
		}
	}
	granted, err := readRights(ctx, tx)
	if err != nil {
		return nil, tables, s.failed("read the user's rights", err)
	}
	own := !slices.ContainsFunc(findings, func(f Finding) bool { return !f.Warning })
	begins := slices.ContainsFunc(findings, func(f Finding) bool { return f.Subject == sqltext.CheckpointTable && f.Missing() })
	for i := range want {
		if ours := reserved(tx.Server, names, &want[i]); ours != nil {
			tables.targets, findings = append(tables.targets, judged{Table: want[i]}), append(findings, *ours)
			continue
		}
		f, text, err := inspectWhole(ctx, tx, &want[i])
		if err != nil {
			return nil, tables, s.failed("check table "+want[i].FullName(), err)
		}
		f.hidden = f.kind == "BASE TABLE" && !granted.seesTriggers(&want[i])
		j := judge{want: &want[i], found: f, server: tx.Server}
		tables.targets = append(tables.targets, judged{j.table(), text, j.index})
		findings = append(findings, j.findings...)
		if begins && f.kind == "BASE TABLE" && !s.config.Adopt {
			rows, err := s.rowsBeforeTheFirstCheckpoint(ctx, tx, &want[i])
			if err != nil {
				return nil, tables, s.failed("look whether "+want[i].FullName()+" is empty", err)
			}
			findings = append(findings, rows...)
		}
	}
	server, err := s.lookAtServer(ctx, tx)
	if err != nil {
		return nil, tables, s.failed("check the server", err)
	}
	findings = append(findings, server...)
	if own {
		probe, err := s.probe(ctx, tx)
		if err != nil {
			return nil, tables, s.failed("try a transaction", err)
		}
		findings = append(findings, probe...)
	}
	return findings, tables, nil
}

// reserved refuses a target that is one of our own tables.
func reserved(server pool.Server, names naming, t *row.Table) *Finding {
	for _, o := range append(everyJobs(server), ownTable{name: sqltext.DedupTable}) {
		if strings.EqualFold(names.key(t), o.name) {
			return &Finding{Subject: t.FullName(), Seen: "it is one of Sluice's own tables", Do: "let the query write to another one"}
		}
	}
	return nil
}

// rowsBeforeTheFirstCheckpoint looks at a target where no job has a checkpoint yet (P3). A claim asks the same, once
// our own tables are there.
func (s *Sink) rowsBeforeTheFirstCheckpoint(ctx context.Context, tx *pool.Tx, t *row.Table) (out []Finding, err error) {
	text := string(sqltext.AppendTableName([]byte("SELECT 1 FROM "), t)) + " LIMIT 1"
	err = tx.Query(ctx, text, func(func(...any) error) error {
		out = []Finding{{Subject: t.FullName(), Seen: "it holds rows, and there is no checkpoint that would say which records they count",
			Do: "empty the table, write to another one, or say --adopt once to add to what is there"}}
		return nil
	})
	return out, err
}

// judge compares one of our own tables with what this release needs of it.
func (o ownTable) judge(f *found) (out []Finding) {
	if f.engine == "" {
		return []Finding{{Subject: o.name, Seen: noTable, Do: "make it (etl check --ddl prints how), or say --create-tables"}}
	}
	if !strings.EqualFold(f.engine, "InnoDB") {
		out = append(out, Finding{Subject: o.name, Seen: "its engine is " + f.engine + ", must be InnoDB", Do: "ALTER TABLE " + o.name + " ENGINE=InnoDB"})
	}
	for _, text := range o.columns {
		name, typ, _ := strings.Cut(text, " ")
		c := f.column(name)
		if c == nil {
			out = append(out, Finding{Subject: o.name + "." + name, Seen: "there is no such column", Do: "ALTER TABLE " + o.name + " ADD " + text})
			continue
		}
		if strings.HasPrefix(typ, "VARCHAR") && c.dataType == "varchar" && !noPadBinary(c.collation) {
			out = append(out, Finding{Subject: o.name + "." + name, Seen: "its collation is " + c.collation + ", by which different names are equal", Do: "ALTER TABLE " + o.name + " MODIFY " + text})
		}
	}
	for _, text := range o.later {
		if name, _, _ := strings.Cut(text, " "); f.column(name) == nil {
			out = append(out, Finding{Warning: true, Subject: o.name + "." + name,
				Seen: "there is no such column, as in older releases: what would stand there is not kept", Do: o.add(text)})
		}
	}
	for i := range f.triggers {
		r := &f.triggers[i]
		if columns, _ := r.assigned(); columns != nil {
			out = append(out, Finding{Subject: o.name, Seen: "its trigger " + r.name + " changes what is written", Do: "DROP TRIGGER " + string(sqltext.AppendName(nil, r.name))})
		}
	}
	var key []string
	for _, p := range f.uniques["PRIMARY"] {
		key = append(key, p.column)
	}
	if strings.Join(key, ", ") != o.key {
		drop := ""
		if key != nil {
			drop = " DROP PRIMARY KEY,"
		}
		out = append(out, Finding{Subject: o.name, Seen: fmt.Sprintf("its primary key is (%s), must be (%s)", strings.Join(key, ", "), o.key),
			Do: "ALTER TABLE " + o.name + drop + " ADD PRIMARY KEY (" + o.key + ")"})
	}
	return out
}

// lookAtServer judges the server's own settings.
func (s *Sink) lookAtServer(ctx context.Context, tx *pool.Tx) ([]Finding, error) {
	const server = "the server"
	refuse := func(seen, do string) []Finding { return []Finding{{Subject: server, Seen: seen, Do: do}} }
	if name := strings.ToLower(tx.Server.Version + tx.Server.Comment); strings.Contains(name, "vitess") {
		return refuse("it is Vitess, which commits shards apart", "write to a MySQL or MariaDB of one piece"), nil
	}
	if tx.Server.Dialect == pool.Embedded {
		return nil, nil
	}
	v, err := variables(ctx, tx, "max_allowed_packet", "log_bin", "binlog_format", "wsrep_on", "wsrep_cluster_address",
		"group_replication_single_primary_mode", "innodb_flush_log_at_trx_commit", "version_comment")
	if err != nil {
		return nil, err
	}
	if n, err := strconv.Atoi(v["max_allowed_packet"]); err == nil {
		s.mu.Lock()
		s.packet = n
		s.mu.Unlock()
	}
	var out []Finding
	if n, err := strconv.Atoi(v["max_allowed_packet"]); err == nil && n < leastPacket {
		out = append(out, refuse(fmt.Sprintf("max_allowed_packet is %d bytes, must be at least %d: claims and dead letters do not fit", n, leastPacket),
			"raise it; 16 MiB or more is usual")...)
	}
	if v["log_bin"] == "ON" && v["binlog_format"] == "STATEMENT" {
		out = append(out, refuse("binlog_format is STATEMENT, which READ COMMITTED cannot write (error 1665)", "set it to ROW")...)
	}
	// With one address, or none, there is one node; a cluster of several takes writes on each.
	if v["wsrep_on"] == "ON" && strings.Trim(strings.TrimPrefix(v["wsrep_cluster_address"], "gcomm://"), " ") != "" {
		out = append(out, refuse("it is a node of a Galera cluster, where several nodes take writes and lose updates to one another",
			"write to a server outside the cluster, or to asynchronous replication with one primary")...)
	}
	if v["group_replication_single_primary_mode"] == "OFF" {
		out = append(out, refuse("group replication runs with several primaries", "set group_replication_single_primary_mode to ON")...)
	}
	if n := v["innodb_flush_log_at_trx_commit"]; n != "" && n != "1" {
		out = append(out, Finding{Warning: true, Subject: server,
			Seen: "innodb_flush_log_at_trx_commit is " + n + ": after a power cut the tables are older, never wrong",
			Do:   "set it to 1 where Kafka keeps its records for less than that could cost"})
	}
	return append(out, filters(ctx, tx)...), nil
}

// filters warns of replication filters. To see them takes a right that the user need not have.
func filters(ctx context.Context, tx *pool.Tx) []Finding {
	text := "SHOW MASTER STATUS"
	if tx.Server.Dialect == pool.MySQL && tx.Server.AtLeast(8, 4) {
		text = "SHOW BINARY LOG STATUS"
	}
	filtered := false
	_ = tx.Query(ctx, text, func(scan func(...any) error) error {
		var file, at, do, ignore, more string
		if scan(&file, &at, &do, &ignore, &more) != nil && scan(&file, &at, &do, &ignore) != nil {
			return nil
		}
		filtered = do != "" || ignore != ""
		return nil
	})
	if !filtered {
		return nil
	}
	return []Finding{{Warning: true, Subject: "the server",
		Seen: "it filters what it replicates: a replica with the targets but not etl_checkpoint, or the other way round, must never be promoted",
		Do:   "replicate them together"}}
}

// probe runs one transaction that would show a proxy that does not keep a connection's session, and rolls it back.
func (s *Sink) probe(ctx context.Context, tx *pool.Tx) ([]Finding, error) {
	if tx.Server.Dialect == pool.Embedded {
		return nil, nil
	}
	const topic = "etl check"
	ask := func(text string) (out string, err error) {
		err = tx.Query(ctx, text, func(scan func(...any) error) error { return scan(&out) })
		return out, err
	}
	job := string(sqltext.AppendText(nil, s.config.Job))
	session := "SELECT CONCAT(CONNECTION_ID(), ' ', @@session.autocommit, ' ', @@session.time_zone, ' ', @@session.lock_wait_timeout)"
	var seen []string
	for _, text := range []string{
		"SELECT COUNT(*) FROM etl_checkpoint WHERE job = " + job + " AND topic = '" + topic + "' FOR UPDATE",
		"INSERT INTO etl_checkpoint (job, topic, partition_id, topic_id, next_offset, epoch, owner, batch_id, query_hash, first_offset, updated_at) VALUES (" +
			job + ", '" + topic + "', 0, x'', 0, 0, x'', x'', x'', 0, UTC_TIMESTAMP(6))",
		"INSERT INTO etl_target (table_name, job, query_hash, query_text, since) VALUES ('" + topic + "', " + job + ", x'', '', UTC_TIMESTAMP(6))",
	} {
		var err error
		if strings.HasPrefix(text, "SELECT") {
			_, err = ask(text)
		} else {
			_, err = tx.Exec(ctx, text)
		}
		if err != nil {
			return nil, err
		}
		is, err := ask(session)
		if err != nil {
			return nil, err
		}
		seen = append(seen, is)
	}
	if _, err := tx.Exec(ctx, "ROLLBACK"); err != nil {
		return nil, err
	}
	left, err := ask("SELECT (SELECT COUNT(*) FROM etl_checkpoint WHERE job = " + job + " AND topic = '" + topic + "') + " +
		"(SELECT COUNT(*) FROM etl_target WHERE table_name = '" + topic + "')")
	if err != nil {
		return nil, err
	}
	const do = "connect to the server itself, or make the proxy keep one server connection for each of ours"
	switch {
	case len(slices.Compact(seen)) != 1:
		return []Finding{{Subject: "the server", Seen: "the session changed within one transaction: " + strings.Join(seen, ", then "), Do: do}}, nil
	case left != "0":
		return []Finding{{Subject: "the server", Seen: "ROLLBACK left rows behind: statements of one transaction did not reach one session", Do: do}}, nil
	}
	return nil, nil
}
