package schema

import (
	"context"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
)

// probe runs a transaction and rolls it back, to find a proxy that sends statements of one transaction to several
// sessions.
func (c *Checker) probe(ctx context.Context, tx *pool.Tx) ([]Finding, error) {
	if tx.Server.Dialect == pool.Embedded {
		return nil, nil
	}
	const topic = "etl check"
	ask := func(text string) (out string, err error) {
		err = tx.Query(ctx, text, func(scan func(...any) error) error { return scan(&out) })
		return out, err
	}
	job := string(sqltext.AppendText(nil, c.options.Job))
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
	const do = "connect to the server itself, or configure the proxy to keep one server connection for each client connection"
	switch {
	case len(slices.Compact(seen)) != 1:
		return []Finding{{Subject: "the server", Seen: "the session changed within one transaction: " + strings.Join(seen, ", then "), Do: do}}, nil
	case left != "0":
		return []Finding{{Subject: "the server", Seen: "ROLLBACK left rows behind: the statements of one transaction did not all reach the same session", Do: do}}, nil
	}
	return nil, nil
}
