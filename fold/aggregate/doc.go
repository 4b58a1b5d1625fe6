// Package aggregate implements the aggregate functions, such as COUNT and SUM: what a record adds to a cell. Package
// row implements how cells merge, in memory and in the table.
package aggregate
