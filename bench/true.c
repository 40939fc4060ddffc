/* The shortest payload: what a start costs is then the start. Linked statically. */
int main(void) {
    return 0;
}
