/* Runs a fuzz target over every file of a corpus folder: an ordinary test, under any compiler and sanitizer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return -1;
    size_t len = 0, cap = 1 << 16;
    uint8_t *data = malloc(cap);
    size_t n;
    while (data != NULL && (n = fread(data + len, 1, cap - len, file)) > 0) {
        len += n;
        if (len == cap)
            data = realloc(data, cap *= 2);
    }
    fclose(file);
    if (data == NULL)
        return -1;
    LLVMFuzzerTestOneInput(data, len);
    /* every prefix too: a stream can be cut anywhere */
    for (size_t cut = 0; cut < len && cut < 512; cut++) {
        uint8_t *exact = malloc(cut + 1);
        if (exact == NULL)
            abort();
        memcpy(exact, data, cut);
        LLVMFuzzerTestOneInput(exact, cut);
        free(exact);
    }
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
        return 2;
    }
    DIR *dir = opendir(argv[1]);
    if (dir == NULL) {
        fprintf(stderr, "could not open corpus folder %s\n", argv[1]);
        return 1;
    }
    unsigned files = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        if (replay_file(path) != 0) {
            fprintf(stderr, "could not read %s\n", path);
            return 1;
        }
        files++;
    }
    closedir(dir);
    printf("%u files replayed\n", files);
    return files == 0; /* an empty corpus proves nothing */
}
