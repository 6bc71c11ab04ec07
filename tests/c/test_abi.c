/* The public contract: what is exported, what is refused and how, and what happens when memory runs out. */
#include "passes.h"

#include <sys/resource.h>
#include <sys/wait.h>

/* Sanitizers and emulators need address space of their own. */
#if !defined(CHECK_SANITIZED) && !defined(CONVX_EMULATED)
#define HAS_MEMORY_LIMIT
#endif

/* ---- Exported symbols ------------------------------------------------------------------------------------------ */

static char *read_all(FILE *file) {
    size_t size = 0, capacity = 1 << 20;
    char *text = malloc(capacity);
    for (size_t n; (n = fread(text + size, 1, capacity - size - 1, file)) > 0;) size += n;
    text[size] = 0;
    return text;
}

/* Whether `name` stands in text as a whole word that is followed by `after`. */
static bool has_word(const char *text, const char *name, char after) {
    const size_t length = strlen(name);
    for (const char *at = text; (at = strstr(at, name)) != NULL; at += length)
        if (at[length] == after && (at == text || strchr(" *\n\t", at[-1]))) return true;
    return false;
}

static void the_library_exports_what_the_header_declares_and_nothing_else(void) {
    FILE *file = fopen(CONVX_TEST_HEADER, "r");
    CHECK(file);
    char *header = read_all(file);
    fclose(file);
    FILE *nm = popen(CONVX_TEST_NM " -D --defined-only " CONVX_TEST_LIBRARY
                                   " | awk '$2 == \"T\" {sub(/@.*/, \"\", $3); print $3}'",
                     "r");
    CHECK(nm);
    char *exported = read_all(nm);
    CHECK(pclose(nm) == 0);
    int symbols = 0;
    char *list = strdup(exported);
    for (char *name = strtok(list, "\n"); name; name = strtok(NULL, "\n"), ++symbols)
        CHECK_THAT(has_word(header, name, '('), "%s is exported, and not in convx.h", name);
    CHECK_THAT(symbols > 15, "%d symbols", symbols);
    int declared = 0;
    for (const char *at = header; (at = strstr(at, "\nCONVX_API ")) != NULL; ++at, ++declared) {
        const char *end = strchr(at, '('), *name = end;
        while (name[-1] != ' ' && name[-1] != '*') --name;
        char word[100];
        snprintf(word, sizeof word, "%.*s", (int)(end - name), name);
        CHECK_THAT(has_word(exported, word, '\n'), "%s is declared, and not exported", word);
    }
    CHECK(declared == symbols);
    free(list);
    free(exported);
    free(header);
}

/* ---- Refusals -------------------------------------------------------------------------------------------------- */

static float memory[3][4096];

static convx_conv_params good(void) {
    convx_conv_params p = params_make(2, CONVX_FLOAT32);
    p.batch = 2;
    p.in_channels = 4;
    p.out_channels = 6;
    p.groups = 2;
    for (int d = 0; d < 2; ++d) {
        p.input[d] = p.output[d] = 8;
        p.kernel[d] = 3;
        p.pad_before[d] = p.pad_after[d] = 1;
    }
    const int64_t x[4] = {256, 64, 8, 1}, w[4] = {18, 9, 3, 1}, y[4] = {384, 64, 8, 1};
    memcpy(p.input_strides, x, sizeof x);
    memcpy(p.weight_strides, w, sizeof w);
    memcpy(p.output_strides, y, sizeof y);
    return p;
}

static convx_status forward(const convx_conv_params *p) {
    return convx_conv_forward(p, memory[0], memory[1], NULL, memory[2]);
}

#define REFUSES(status, change)                                                   \
    do {                                                                          \
        convx_conv_params p = good();                                             \
        CHECK(forward(&p) == CONVX_OK);                                           \
        change;                                                                   \
        memory[2][0] = 42;                                                        \
        const convx_status got = forward(&p);                                     \
        CHECK_THAT(got == (status), "%s: %s", #change, convx_status_string(got)); \
        CHECK(memory[2][0] == 42);                                                \
    } while (0)

static void unknown_values_are_invalid_arguments(void) {
    CHECK(forward(NULL) == CONVX_INVALID_ARGUMENT);
    REFUSES(CONVX_INVALID_ARGUMENT, p.struct_size = 0);
    REFUSES(CONVX_INVALID_ARGUMENT, p.struct_size += 8);
    REFUSES(CONVX_INVALID_ARGUMENT, p.dtype = 0);
    REFUSES(CONVX_INVALID_ARGUMENT, p.dtype = 3);
    REFUSES(CONVX_INVALID_ARGUMENT, p.rank = 0);
    REFUSES(CONVX_INVALID_ARGUMENT, p.rank = 4);
    REFUSES(CONVX_INVALID_ARGUMENT, p.flags = 2);
    REFUSES(CONVX_INVALID_ARGUMENT, p.padding_mode = 5);
    REFUSES(CONVX_INVALID_ARGUMENT, p.padding_mode = -1);
    REFUSES(CONVX_INVALID_ARGUMENT, p.activation = 8);
    REFUSES(CONVX_INVALID_ARGUMENT, p.algorithm = 8);
    convx_plan *plan = NULL;
    const convx_conv_params p = good();
    CHECK(convx_conv_plan_create(&p, (convx_pass)3, NULL, NULL, &plan) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_conv_plan_create(&p, CONVX_FORWARD, NULL, NULL, NULL) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_conv_plan_create(&p, CONVX_WEIGHT_GRADIENT, memory[1], NULL, &plan) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_conv_plan_create(&p, CONVX_INPUT_GRADIENT, NULL, memory[0], &plan) == CONVX_INVALID_ARGUMENT);
    CHECK(plan == NULL);
    CHECK(convx_set_num_threads(-1) == CONVX_INVALID_ARGUMENT);
}

static void sizes_that_do_not_fit_are_invalid_shapes(void) {
    REFUSES(CONVX_INVALID_SHAPE, p.batch = -1);
    REFUSES(CONVX_INVALID_SHAPE, p.groups = 0);
    REFUSES(CONVX_INVALID_SHAPE, p.groups = 4); /* divides in_channels, and not out_channels */
    REFUSES(CONVX_INVALID_SHAPE, p.groups = 3);
    REFUSES(CONVX_INVALID_SHAPE, p.in_channels = 0);
    REFUSES(CONVX_INVALID_SHAPE, p.out_channels = -6);
    REFUSES(CONVX_INVALID_SHAPE, p.input[1] = -8);
    REFUSES(CONVX_INVALID_SHAPE, p.input[1] = 0);
    REFUSES(CONVX_INVALID_SHAPE, p.output[0] = 9);
    REFUSES(CONVX_INVALID_SHAPE, p.output[0] = 7);
    REFUSES(CONVX_INVALID_SHAPE, p.kernel[0] = 0);
    REFUSES(CONVX_INVALID_SHAPE, p.kernel[0] = 11); /* more than the padded input */
    REFUSES(CONVX_INVALID_SHAPE, p.dilation[0] = 5);
    REFUSES(CONVX_INVALID_SHAPE, p.stride[1] = 0);
    REFUSES(CONVX_INVALID_SHAPE, p.stride[1] = -1);
    REFUSES(CONVX_INVALID_SHAPE, p.dilation[1] = 0);
    REFUSES(CONVX_INVALID_SHAPE, p.pad_before[0] = -7);
    REFUSES(CONVX_INVALID_SHAPE, (p.input[0] = 0, p.pad_before[0] = 9, p.padding_mode = CONVX_PAD_CIRCULAR));
}

static void sizes_beyond_64_bits_overflow(void) {
    REFUSES(CONVX_OVERFLOW, p.kernel[0] = INT64_MAX);
    REFUSES(CONVX_OVERFLOW, (p.kernel[0] = (int64_t)1 << 40, p.dilation[0] = (int64_t)1 << 40));
    REFUSES(CONVX_OVERFLOW, p.pad_before[0] = INT64_MIN);
    REFUSES(CONVX_OVERFLOW, p.pad_after[0] = INT64_MAX);
    REFUSES(CONVX_OVERFLOW, p.stride[0] = INT64_MAX);
    REFUSES(CONVX_OVERFLOW, p.batch = INT64_MAX);
    REFUSES(CONVX_OVERFLOW, p.in_channels = INT64_MAX - 1);
    REFUSES(CONVX_OVERFLOW, p.batch = (int64_t)1 << 56);
    REFUSES(CONVX_OVERFLOW, p.input_strides[0] = INT64_MIN);
    REFUSES(CONVX_OVERFLOW, p.input_strides[2] = INT64_MAX / 4);
    REFUSES(CONVX_OVERFLOW, p.weight_strides[0] = INT64_MIN / 2);
    REFUSES(CONVX_OVERFLOW, p.output_strides[3] = INT64_MAX);
    convx_conv_params p = good();
    p.flags = CONVX_TRANSPOSED;
    p.stride[0] = (int64_t)1 << 59;
    p.input[0] = 1 << 20;
    CHECK(forward(&p) == CONVX_OVERFLOW);
}

static void results_on_themselves_or_on_inputs_overlap(void) {
    REFUSES(CONVX_OVERLAP, p.output_strides[0] = 0);
    REFUSES(CONVX_OVERLAP, p.output_strides[1] = 63);
    REFUSES(CONVX_OVERLAP, p.output_strides[2] = -1);
    const convx_conv_params p = good();
    float *m = memory[0];
    CHECK(convx_conv_forward(&p, m, memory[1], NULL, m) == CONVX_OVERLAP);
    CHECK(convx_conv_forward(&p, m, memory[1], NULL, m + 511) == CONVX_OVERLAP);
    CHECK(convx_conv_forward(&p, m, memory[1], NULL, m + 512) == CONVX_OK);
    CHECK(convx_conv_forward(&p, m, m + 600, NULL, m + 512) == CONVX_OVERLAP);
    CHECK(convx_conv_forward(&p, m, memory[1], m + 515, m + 512) == CONVX_OVERLAP);
    CHECK(convx_conv_forward(&p, m, memory[1], m + 506, m + 512) == CONVX_OK);
    CHECK(convx_conv_input_gradient(&p, memory[1], m, m + 700) == CONVX_OVERLAP);
    CHECK(convx_conv_weight_gradient(&p, memory[0], memory[1], memory[1] + 3) == CONVX_OVERLAP);
    CHECK(convx_conv_bias_gradient(&p, m, m + 767) == CONVX_OVERLAP);
    CHECK(convx_conv_bias_gradient(&p, m, m + 768) == CONVX_OK);
}

static void null_tensors_are_invalid_unless_they_are_empty(void) {
    convx_conv_params p = good();
    CHECK(convx_conv_forward(&p, NULL, memory[1], NULL, memory[2]) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_conv_forward(&p, memory[0], NULL, NULL, memory[2]) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_conv_forward(&p, memory[0], memory[1], NULL, NULL) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_conv_input_gradient(&p, NULL, memory[1], memory[2]) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_conv_weight_gradient(&p, memory[0], NULL, memory[2]) == CONVX_INVALID_ARGUMENT);
    CHECK(convx_conv_bias_gradient(&p, NULL, memory[2]) == CONVX_INVALID_ARGUMENT);
    p.batch = 0;
    CHECK(convx_conv_forward(&p, NULL, memory[1], NULL, NULL) == CONVX_OK);
    CHECK(convx_conv_input_gradient(&p, memory[1], NULL, NULL) == CONVX_OK);
    for (int i = 0; i < 108; ++i) memory[2][i] = 5;
    CHECK(convx_conv_weight_gradient(&p, NULL, NULL, memory[2]) == CONVX_OK);
    for (int i = 0; i < 108; ++i) CHECK(memory[2][i] == 0);
    memory[2][5] = 5;
    CHECK(convx_conv_bias_gradient(&p, NULL, memory[2]) == CONVX_OK && memory[2][5] == 0);
}

static void an_input_of_no_size_gives_the_bias_where_padding_makes_room(void) {
    convx_conv_params p = good();
    p.input[1] = 0;
    p.pad_before[1] = p.pad_after[1] = 5;
    const float bias[6] = {1, -2, 3, 4, 5, 6};
    p.activation = CONVX_ACT_RELU;
    CHECK(convx_conv_forward(&p, NULL, memory[1], bias, memory[2]) == CONVX_OK);
    CHECK(memory[2][0] == 1 && memory[2][64] == 0 && memory[2][384 + 128] == 3);
}

static void what_has_no_meaning_is_unsupported(void) {
    convx_conv_params p = good();
    p.padding_mode = CONVX_PAD_REFLECT;
    CHECK(forward(&p) == CONVX_OK);
    CHECK(convx_conv_input_gradient(&p, memory[1], memory[2], memory[0]) == CONVX_UNSUPPORTED);
    p.flags = CONVX_TRANSPOSED;
    CHECK(forward(&p) == CONVX_UNSUPPORTED);
    REFUSES(CONVX_UNSUPPORTED, p.algorithm = CONVX_ALGO_WINOGRAD_6X6; p.stride[0] = 2; p.output[0] = 4);
}

static void output_size_is_that_of_the_formula_and_refuses_kernels_that_do_not_fit(void) {
    convx_conv_params p = good();
    int64_t output[3] = {-1, -1, -1};
    p.stride[1] = 3;
    CHECK(convx_conv_output_size(&p, output) == CONVX_OK);
    CHECK(output[0] == 8 && output[1] == 3 && output[2] == -1);
    p.kernel[0] = 11;
    output[0] = -1;
    CHECK(convx_conv_output_size(&p, output) == CONVX_INVALID_SHAPE && output[0] == -1);
    p.input[0] = p.pad_before[0] = (int64_t)1 << 62;
    CHECK(convx_conv_output_size(&p, output) == CONVX_OVERFLOW);
    CHECK(convx_conv_output_size(&p, NULL) == CONVX_INVALID_ARGUMENT);
}

static void every_status_and_algorithm_has_a_text(void) {
    for (int i = -1; i < 20; ++i) {
        CHECK(strlen(convx_status_string((convx_status)i)) > 3);
        CHECK(strlen(convx_algorithm_name((convx_algorithm)i)) > 3);
    }
    char version[30], config[4096];
    snprintf(version, sizeof version, "%d.%d.%d", CONVX_VERSION_MAJOR, CONVX_VERSION_MINOR, CONVX_VERSION_PATCH);
    CHECK(strcmp(convx_version(), version) == 0);
    CHECK(convx_config(config, sizeof config) == strlen(config));
    CHECK(strstr(config, version) && strstr(config, convx_isa_name()) && strstr(config, convx_isa_available(0)));
    CHECK(convx_isa_available(-1) == NULL && convx_isa_available(100) == NULL);
}

#ifdef HAS_MEMORY_LIMIT

/* ---- Memory ---------------------------------------------------------------------------------------------------- */

/* In a child whose memory is used up: each call either succeeds or says that there is no memory. */
static void run_without_memory(void) {
    layer l = {.p = params_make(2, CONVX_FLOAT32)};
    l.p.in_channels = l.p.out_channels = 512;
    for (int d = 0; d < 2; ++d) {
        l.p.input[d] = l.p.output[d] = 16;
        l.p.kernel[d] = 3;
        l.p.pad_before[d] = l.p.pad_after[d] = 1;
    }
    layer_tensors(&l, (layout[3]){CHANNELS_FIRST, ANY_LAYOUT, CHANNELS_LAST}, IN_HEAP);
    memset(l.input.memory.data, 0, l.input.memory.bytes);
    memset(l.weight.memory.data, 0, l.weight.memory.bytes);
    memset(l.output.memory.data, 0, l.output.memory.bytes);
    convx_plan *small;
    CHECK(convx_conv_plan_create(&l.p, CONVX_FORWARD, NULL, NULL, &small) == CONVX_OK);
    const struct rlimit none = {4096, 4096};
    CHECK(setrlimit(RLIMIT_AS, &none) == 0);
    void *volatile block; /* compilers leave out allocations that nobody looks at */
    for (size_t size = (size_t)1 << 26; size >= 512; size /= 2) do
            block = malloc(size);
        while (block);
    convx_plan *plan = NULL;
    CHECK(convx_conv_plan_create(&l.p, CONVX_FORWARD, l.weight.data, NULL, &plan) == CONVX_OUT_OF_MEMORY && !plan);
    const convx_conv_args args = {
        .struct_size = sizeof args, .input = l.input.data, .weight = l.weight.data, .result = l.output.data};
    int refused = 0;
    l.p.algorithm = CONVX_ALGO_AUTO;
    for (int pass = 0; pass < 3; ++pass) {
        tensor *result = layer_result(&l, (convx_pass)pass);
        const convx_status status = layer_run(&l, (convx_pass)pass, NULL, result->data);
        CHECK(status == CONVX_OK || status == CONVX_OUT_OF_MEMORY);
        refused += status == CONVX_OUT_OF_MEMORY;
    }
    const convx_status status = convx_conv_plan_execute(small, &args);
    CHECK(status == CONVX_OK || status == CONVX_OUT_OF_MEMORY);
    CHECK(refused > 0);
    convx_plan_destroy(small);
}

static void calls_without_memory_say_so(void) {
    fflush(stdout);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        run_without_memory();
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_THAT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %d", status);
}

#endif

int main(void) {
    RUN(the_library_exports_what_the_header_declares_and_nothing_else);
    RUN(unknown_values_are_invalid_arguments);
    RUN(sizes_that_do_not_fit_are_invalid_shapes);
    RUN(sizes_beyond_64_bits_overflow);
    RUN(results_on_themselves_or_on_inputs_overlap);
    RUN(null_tensors_are_invalid_unless_they_are_empty);
    RUN(an_input_of_no_size_gives_the_bias_where_padding_makes_room);
    RUN(what_has_no_meaning_is_unsupported);
    RUN(output_size_is_that_of_the_formula_and_refuses_kernels_that_do_not_fit);
    RUN(every_status_and_algorithm_has_a_text);
#ifdef HAS_MEMORY_LIMIT
    RUN(calls_without_memory_say_so);
#endif
    return check_report();
}
