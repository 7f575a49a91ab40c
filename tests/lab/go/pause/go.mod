module lab.mesh/pause

go 1.26
