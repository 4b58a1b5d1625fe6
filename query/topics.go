package query

import (
	"fmt"
	"slices"

	"github.com/sluice-etl/sluice/row"
)

// A job that reads several topics has a plan for each: the same query, compiled for the format of the topic. Formats give
// columns different types, and all plans write the same tables.

// TopicPlan is the plan for the records of one topic.
type TopicPlan struct {
	Topic string
	Plan  *Plan
}

// Unite makes plans of one query write the same tables, whose columns hold the values of all of them, and binds each plan
// to these. It returns an error, and changes nothing, if they cannot: if a column is of different kinds in two formats, or
// if a table keeps the first or the last record of each key. Which one that is, positions decide, and those of two topics
// cannot be compared.
func Unite(plans []TopicPlan) error {
	if len(plans) < 2 {
		return nil
	}
	var programs []*program
	var tables []row.Table
	for _, p := range plans {
		programs = append(programs, p.Plan.programs...)
		var err error
		if tables, err = wanted(programs); err != nil {
			return fmt.Errorf("the format of topic %s gives the tables other columns than those of the topics before it, whose statements are earlier ones here: %w", p.Topic, err)
		}
	}
	for i := range tables {
		if t := &tables[i]; t.ByPartition() {
			return fmt.Errorf("%s INTO %s reads several topics, but which record of a key is the first or the last is known within one topic only: "+
				"use FIRST(x), LAST(x), MIN_BY(x, y) or MAX_BY(x, y), which compare times, or give each topic a job and a table of its own",
				keeps(t), t.FullName())
		}
	}
	united := make([]*Plan, len(plans)) // with what changes, so that an error changes nothing
	for i, p := range plans {
		u := &Plan{}
		united[i] = u
		u.options, u.programs, u.declared, u.replaced, u.tables = p.Plan.options, p.Plan.programs, p.Plan.declared, p.Plan.replaced, slices.Clone(tables)
		if err := u.declare(); err != nil {
			return err
		}
		for j := range u.tables {
			u.setWindow(&u.tables[j])
		}
	}
	for j := range tables {
		if slices.ContainsFunc(united[1:], func(u *Plan) bool { return !u.tables[j].Window.Equal(united[0].tables[j].Window) }) {
			for i := range united {
				united[i].tables[j].Window = nil // each must know which records are below the low-water mark
			}
		}
	}
	for i, p := range plans {
		p.Plan.tables = united[i].tables
		if err := p.Plan.Bind(p.Plan.Tables()); err != nil {
			return fmt.Errorf("the format of topic %s: %w", p.Topic, err)
		}
	}
	return nil
}
