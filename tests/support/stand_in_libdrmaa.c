/* A stand-in for a DRMAA 1.0 library: it runs nothing, and does in each call what files tell it to.
 *
 * The folder $STAND_IN_DRMAA holds, each as a small text:
 *   CALL, CALL-JOB  what to do in this call (of this job): "segv", "hang", "loud", "error CODE SENTENCE";
 *                   with "once " before it the file is removed first
 *   next            the id that the next job gets; without it they are counted from 1
 *   state-JOB       the state of a job, as the number that drmaa.h has for it; without it there is no such job
 *   end-JOB         how it ended: "exit STATUS", "signal NAME", "abort"; then usage lines, each NAME=VALUE
 * and gets:
 *   trace           a line for each call: process, thread, call, argument
 *   template-JOB    a line for each attribute of the job's template: name=value, of a vector one for each
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_CONTACT = 7, NO_ACTIVE_SESSION = 5, ALREADY_ACTIVE = 11, INVALID_JOB = 18,
       TIMED_OUT = 23, NO_RUSAGE = 24, NO_MORE = 25 };
enum { QUEUED = 0x10, HELD = 0x12, RUNNING = 0x20, SUSPENDED = 0x22, FAILED = 0x40 };

typedef struct { char text[65536]; } job_template;
typedef struct { char *text, *next; } values;

static char contact[256];

static void path_of(char *path, const char *name, const char *job) {
  snprintf(path, 1024, "%s/%s%s%s", getenv("STAND_IN_DRMAA"), name, job ? "-" : "", job ? job : "");
}

static int read_file(const char *name, const char *job, char *text, size_t size) {
  char path[1024];
  path_of(path, name, job);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  size_t length = fread(text, 1, size - 1, file);
  text[length] = 0;
  fclose(file);
  return 1;
}

static void write_file(const char *name, const char *job, const char *mode, const char *text) {
  char path[1024];
  path_of(path, name, job);
  FILE *file = fopen(path, mode);
  if (!file) abort();
  fputs(text, file);
  fclose(file);
}

static void remove_file(const char *name, const char *job) {
  char path[1024];
  path_of(path, name, job);
  unlink(path);
}

static void set_state(const char *job, int state) {
  char text[16];
  snprintf(text, sizeof text, "%d", state);
  write_file("state", job, "w", text);
}

static int fail(int code, const char *sentence, char *error, size_t size) {
  if (error) snprintf(error, size, "%s", sentence);
  return code;
}

/* Note the call and do what a file says of it; return the code of an error that it is to fail with. */
static int obey(const char *call, const char *argument, char *error, size_t size) {
  char line[512], order[1024], *what = order;
  snprintf(line, sizeof line, "%d %ld %s %s\n", getpid(), (long)syscall(SYS_gettid), call, argument ? argument : "");
  write_file("trace", NULL, "a", line);
  const char *job = argument;
  if (!(job && read_file(call, job, order, sizeof order))) {
    job = NULL;
    if (!read_file(call, NULL, order, sizeof order)) return SUCCESS;
  }
  if (!strncmp(what, "once ", 5)) {
    what += 5;
    remove_file(call, job);
  }
  if (!strncmp(what, "segv", 4)) raise(SIGSEGV);
  if (!strncmp(what, "hang", 4)) for (;;) pause();
  if (!strncmp(what, "loud", 4)) {
    for (int i = 0; i < 100000; i++) {
      fprintf(stderr, "loud complaint %d\n", i);
      printf("loud remark %d\n", i);
    }
    fflush(stdout);
  }
  if (!strncmp(what, "error ", 6)) {
    char *sentence;
    long code = strtol(what + 6, &sentence, 10);
    return fail((int)code, sentence + (*sentence == ' '), error, size);
  }
  return SUCCESS;
}

#define OBEY(call, argument) \
  do { int code = obey(call, argument, error, size); if (code) return code; } while (0)

int drmaa_init(const char *wanted, char *error, size_t size) {
  printf("a library may print to standard output\n");
  fflush(stdout);
  OBEY("init", wanted);
  if (contact[0]) return fail(ALREADY_ACTIVE, "the session is active", error, size);
  if (wanted && strncmp(wanted, "session=", 8)) return fail(INVALID_CONTACT, "no such contact", error, size);
  if (wanted) snprintf(contact, sizeof contact, "%s", wanted);
  else snprintf(contact, sizeof contact, "session=%d", getpid());
  return SUCCESS;
}

int drmaa_exit(char *error, size_t size) {
  OBEY("exit", NULL);
  if (!contact[0]) return fail(NO_ACTIVE_SESSION, "there is no session", error, size);
  contact[0] = 0;
  return SUCCESS;
}

int drmaa_get_contact(char *text, size_t length, char *error, size_t size) {
  OBEY("get_contact", NULL);
  snprintf(text, length, "%s", contact);
  return SUCCESS;
}
int drmaa_get_DRM_system(char *text, size_t length, char *error, size_t size) {
  OBEY("get_DRM_system", NULL);
  snprintf(text, length, "stand-in system");
  return SUCCESS;
}
int drmaa_get_DRMAA_implementation(char *text, size_t length, char *error, size_t size) {
  OBEY("get_DRMAA_implementation", NULL);
  snprintf(text, length, "stand-in library");
  return SUCCESS;
}
int drmaa_version(unsigned *major, unsigned *minor, char *error, size_t size) {
  OBEY("version", NULL);
  *major = 1, *minor = 0;
  return SUCCESS;
}

int drmaa_allocate_job_template(job_template **made, char *error, size_t size) {
  OBEY("allocate_job_template", NULL);
  *made = calloc(1, sizeof **made);
  return SUCCESS;
}
int drmaa_delete_job_template(job_template *given, char *error, size_t size) {
  OBEY("delete_job_template", NULL);
  free(given);
  return SUCCESS;
}

static void note(job_template *given, const char *name, const char *value) {
  size_t used = strlen(given->text);
  snprintf(given->text + used, sizeof given->text - used, "%s=%s\n", name, value);
}
int drmaa_set_attribute(job_template *given, const char *name, const char *value, char *error, size_t size) {
  OBEY("set_attribute", name);
  note(given, name, value);
  return SUCCESS;
}
int drmaa_set_vector_attribute(job_template *given, const char *name, const char **list, char *error, size_t size) {
  OBEY("set_vector_attribute", name);
  for (; *list; list++) note(given, name, *list);
  return SUCCESS;
}

int drmaa_run_job(char *job, size_t length, const job_template *given, char *error, size_t size) {
  OBEY("run_job", NULL);
  static int count;
  if (!read_file("next", NULL, job, length)) snprintf(job, length, "%d", ++count);
  write_file("template", job, "w", given->text);
  set_state(job, QUEUED);
  return SUCCESS;
}

static int known(const char *job, int *state) {
  char text[32];
  if (!read_file("state", job, text, sizeof text)) return 0;
  *state = atoi(text);
  return 1;
}

int drmaa_job_ps(const char *job, int *state, char *error, size_t size) {
  OBEY("job_ps", job);
  return known(job, state) ? SUCCESS : fail(INVALID_JOB, "there is no such job", error, size);
}

int drmaa_control(const char *job, int action, char *error, size_t size) {
  /* in the order of DRMAA_CONTROL_SUSPEND, _RESUME, _HOLD, _RELEASE, _TERMINATE */
  static const int states[] = {SUSPENDED, RUNNING, HELD, QUEUED, FAILED};
  int state;
  OBEY("control", job);
  if (!known(job, &state)) return fail(INVALID_JOB, "there is no such job", error, size);
  set_state(job, states[action]);
  return SUCCESS;
}

/* The status that drmaa_wif… and the like take apart: 0…255 an exit status, 1000 a signal, 2000 aborted. */
static char last_signal[32];

int drmaa_wait(const char *job, char *told, size_t length, int *status, long patience, values **usage, char *error,
               size_t size) {
  char text[4096];
  int state;
  (void)patience;
  OBEY("wait", job);
  if (!known(job, &state)) return fail(INVALID_JOB, "there is no such job", error, size);
  if (!read_file("end", job, text, sizeof text)) {
    if (state < 0x30) return fail(TIMED_OUT, "time-out condition", error, size);
    remove_file("state", job);
    return fail(NO_RUSAGE, "no usage information was returned", error, size);
  }
  remove_file("state", job);
  remove_file("end", job);
  if (sscanf(text, "signal %31s", last_signal) == 1) *status = 1000;
  else if (sscanf(text, "exit %d", status) != 1) *status = 2000;
  snprintf(told, length, "%s", job);
  *usage = calloc(1, sizeof **usage);
  (*usage)->text = strdup(text);
  strtok_r((*usage)->text, "\n", &(*usage)->next);
  return SUCCESS;
}
int drmaa_wifexited(int *answer, int status, char *error, size_t size) {
  OBEY("wifexited", NULL);
  *answer = status < 1000;
  return SUCCESS;
}
int drmaa_wexitstatus(int *answer, int status, char *error, size_t size) {
  OBEY("wexitstatus", NULL);
  *answer = status < 1000 ? status : 0;
  return SUCCESS;
}
int drmaa_wifsignaled(int *answer, int status, char *error, size_t size) {
  OBEY("wifsignaled", NULL);
  *answer = status == 1000;
  return SUCCESS;
}
int drmaa_wtermsig(char *name, size_t length, int status, char *error, size_t size) {
  (void)status;
  OBEY("wtermsig", NULL);
  snprintf(name, length, "%s", last_signal);
  return SUCCESS;
}
int drmaa_wcoredump(int *answer, int status, char *error, size_t size) {
  (void)status;
  OBEY("wcoredump", NULL);
  *answer = 0;
  return SUCCESS;
}
int drmaa_wifaborted(int *answer, int status, char *error, size_t size) {
  OBEY("wifaborted", NULL);
  *answer = status == 2000;
  return SUCCESS;
}

int drmaa_get_next_attr_value(values *list, char *text, size_t length) {
  char *line = strtok_r(NULL, "\n", &list->next);
  if (!line) return NO_MORE;
  snprintf(text, length, "%s", line);
  return SUCCESS;
}
void drmaa_release_attr_values(values *list) {
  free(list->text);
  free(list);
}

/* The Python package wants to find these, and nobody here calls them. */
#define UNUSED(name) int name(void) { abort(); }
UNUSED(drmaa_get_attribute)
UNUSED(drmaa_get_next_attr_name)
UNUSED(drmaa_get_next_job_id)
UNUSED(drmaa_release_attr_names)
UNUSED(drmaa_release_job_ids)
UNUSED(drmaa_get_vector_attribute)
UNUSED(drmaa_get_attribute_names)
UNUSED(drmaa_get_vector_attribute_names)
UNUSED(drmaa_run_bulk_jobs)
UNUSED(drmaa_synchronize)
UNUSED(drmaa_strerror)
