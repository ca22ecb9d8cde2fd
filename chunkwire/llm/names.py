"""The providers' own names of errors, and their kinds.

The rule here: one table for all providers, since proxies pass on the names of others. Lower case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chunkwire.llm.answer import ErrorKind

_NAMES: Final[Mapping[ErrorKind, str]] = {
    # OpenAI's and Azure's codes and types; Anthropic's types; google.rpc.Code; Bedrock's exceptions; then the class
    # names of LiteLLM and vLLM, the types of llama.cpp and TGI, the codes of Groq, Mistral, Moonshot, Z.ai, DashScope.
    ErrorKind.BAD_REQUEST: """
        invalid_request_error content_filter content_policy_violation responsibleaipolicyviolation invalid_prompt
        unsupported_parameter unknown_parameter unsupported_value invalid_value missing_required_parameter
        invalid_type invalid_argument failed_precondition out_of_range unimplemented validationexception
        badrequesterror unprocessableentityerror contentpolicyviolationerror unsupportedparamserror
        not_supported_error validation invalid_request invalidparameter data_inspection_failed
        datainspectionfailed""",
    ErrorKind.WRONG_KEY: """
        invalid_api_key authentication_error unauthenticated api_key_invalid unrecognizedclientexception
        expiredtokenexception invalidsignatureexception missingauthenticationtokenexception
        incompletesignatureexception authenticationerror unauthorizederror invalid_authentication_error
        incorrect_api_key_error unauthorized invalidapikey""",
    ErrorKind.FORBIDDEN: """
        permission_error billing_error permission_denied accessdeniedexception permissiondeniederror
        account_deactivated insufficient_permissions arrearage""",
    ErrorKind.NOT_FOUND: """
        model_not_found not_found_error not_found resourcenotfoundexception notfounderror deploymentnotfound""",
    ErrorKind.TOO_LARGE: """
        context_length_exceeded string_above_max_length request_too_large contextwindowexceedederror
        exceed_context_size_error payload_too_large""",
    ErrorKind.RATE_LIMIT: """
        rate_limit_exceeded insufficient_quota billing_hard_limit_reached rate_limit_error resource_exhausted
        throttlingexception toomanyrequestsexception servicequotaexceededexception ratelimiterror
        exceeded_current_quota_error rate_limit_reached_error too_many_requests rate_limited throttling
        throttling.ratequota throttling.allocationquota throttling.burstrate""",
    ErrorKind.SERVER: """
        server_error api_error internal internal_error internalserverexception modelstreamerrorexception
        modelerrorexception internalservererror apierror generation incomplete_generation internal_server_error
        data_loss""",
    ErrorKind.OVERLOADED: """
        server_is_overloaded slow_down service_unavailable_error overloaded_error unavailable
        serviceunavailableexception modelnotreadyexception serviceunavailableerror unavailable_error overloaded
        over_capacity engine_overloaded engine_overloaded_error capacity_exceeded model_overloaded
        service_unavailable insufficient_system_resource""",
    ErrorKind.TIMEOUT: """
        timeout_error deadline_exceeded modeltimeoutexception timeout request_timeout apitimeouterror""",
    ErrorKind.UNREACHABLE: "apiconnectionerror",
}
_KIND_OF_NAME: Final = {name: kind for kind, names in _NAMES.items() for name in names.split()}


def kind_of_name(*names: str) -> ErrorKind | None:
    """Return the kind of the first known name, None where none is known."""
    bare = (name.lower().rpartition("#")[2] for name in names)  # AWS puts a namespace before it
    return next((kind for name in bare if (kind := _KIND_OF_NAME.get(name)) is not None), None)
