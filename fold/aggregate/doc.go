// Package aggregate implements the aggregate functions COUNT, SUM, MIN and MAX: what a record adds to a cell. Package
// row implements how cells merge, in memory and in the table.
package aggregate
