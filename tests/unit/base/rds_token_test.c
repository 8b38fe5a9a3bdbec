#include "test.h"

#include <stdlib.h>

#include "base/aws/rds_token.h"

/* Made with botocore 1.44.5 (generate_db_auth_token) at that time; the parameters are in the signed order here. */
static void token_is_the_one_that_aws_tools_make(void **state)
{
    (void)state;
    struct err err = {0};
    SCOPED(buf_done) struct buf got = buf_new(RDS_TOKEN_MAX_BYTES);
    const struct aws_credentials credentials = {.access_key_id = "AKIDEXAMPLE",
                                                .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                                .session_token = "tok/en+="};
    ASSERT_OK(rds_token_put(&got, "bank.abc.eu-west-1.rds.amazonaws.com", 5432, "le at+user", "eu-west-1", &credentials,
                            INT64_C(1795459500) * 1000000, &err),
              &err);
    CHECK_STR("bank.abc.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=le%20at%2Buser"
              "&X-Amz-Algorithm=AWS4-HMAC-SHA256"
              "&X-Amz-Credential=AKIDEXAMPLE%2F20261123%2Feu-west-1%2Frds-db%2Faws4_request"
              "&X-Amz-Date=20261123T184500Z&X-Amz-Expires=900"
              "&X-Amz-Security-Token=tok%2Fen%2B%3D&X-Amz-SignedHeaders=host"
              "&X-Amz-Signature=811c6697f76758588bf123bc6cc10459da3e85fee2e6fe2a83c89579ce78fb2b",
              buf_cstr(&got), "token");
}

static void a_region_is_needed(void **state)
{
    (void)state;
    struct err err = {0};
    SCOPED(buf_done) struct buf got = buf_new(RDS_TOKEN_MAX_BYTES);
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    unsetenv("AWS_REGION");
    unsetenv("AWS_DEFAULT_REGION");
    CHECK_EQ(RC_FATAL, rds_token_make(&got, "h", 5432, "u", "", &err), "no region");
    CHECK_EQ(RC_FATAL, rds_token_make(&got, "h", 5432, "u", NULL, &err), "no region at all");
    setenv("AWS_DEFAULT_REGION", "eu-west-1", 1);
    ASSERT_OK(rds_token_make(&got, "h", 5432, "u", "", &err), &err);
    CHECK_EQ(true, strstr(buf_cstr(&got), "%2Feu-west-1%2Frds-db%2F") != NULL, "the environment's region");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_is_the_one_that_aws_tools_make),
        cmocka_unit_test(a_region_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
