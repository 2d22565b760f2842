using System.Text.Json;

namespace PdEngine.Host;

/// <summary>
/// The fields that OpenAI's bodies may have. What would change the answer and is not served is refused; what
/// is of logs, accounts and addresses passes.
/// </summary>
internal static class OpenAiNames
{
    private static readonly string[] Sampling =
    [
        "model", "temperature", "top_p", "n", "stream", "stream_options", "stop", "max_tokens", "seed",
        "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_k", "min_p", "min_tokens",
        "repetition_penalty", "stop_token_ids", "ignore_eos", "skip_special_tokens", "no_stop_trim", "rid",
        "priority", "session_id", "routing_key", "min_weight_version", "exact_weight_version",
    ];

    private static readonly string[] Chat =
    [
        "messages", "tools", "tool_choice", "max_completion_tokens", "top_logprobs", "chat_template_kwargs",
        "response_format",
    ];

    private static readonly string[] Completion = ["prompt", "response_format"];

    private static readonly string[] Harmless =
    [
        "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key",
        "prompt_cache_retention", "log_metrics", "no_logs", "background", "bootstrap_host", "bootstrap_port",
        "bootstrap_room", "bootstrap_pair_key", "separate_reasoning", "stream_reasoning", "custom_labels",
        "conversation_id", "data_parallel_rank", "routed_dp_rank", "disagg_prefill_dp_rank", "extra_key",
        "spaces_between_special_tokens", "return_text_in_logprobs", "external_trace_header",
    ];

    private static readonly string[] Unsupported =
    [
        "functions", "function_call", "audio", "prediction", "web_search_options", "reasoning_effort",
        "verbosity", "modalities", "return_hidden_states", "return_routed_experts", "lora_path",
        "json_schema", "regex", "ebnf", "suffix", "echo", "best_of", "continue_final_message",
        "custom_logit_processor", "image_data", "structural_tag", "chat_template", "documents",
        "session_params", "return_bytes", "return_entropy", "custom_params", "return_cached_tokens_details",
        "return_meta_info",
        "return_prompt_token_ids", "token_ids_logprob", "stop_regex", "input_ids",
    ];

    /// <exception cref="RequestException">A field is not known, or not served.</exception>
    public static void Check(JsonElement body, bool isChat)
    {
        DuplicateNames.Refuse(body);
        string[] own = isChat ? Chat : Completion;
        foreach (JsonProperty property in body.EnumerateObject())
        {
            string name = Fields.NameOf(property);
            if (own.Contains(name) || Sampling.Contains(name) || Harmless.Contains(name))
                continue;
            // False of some means a promise that is kept anyway, true of one too.
            bool passes = name == "parallel_tool_calls" ? property.Value.ValueKind != JsonValueKind.False
                : IsOff(name, property.Value);
            if (passes)
                continue;
            bool isKnown = name == "parallel_tool_calls" || Unsupported.Contains(name);
            throw new RequestException(Fields.Short(name),
                isKnown ? "it is not served as given; leave it out" : Unknown(name, own));
        }
        CheckFormat(body);
    }

    /// <summary>A value that asks for nothing.</summary>
    private static bool IsOff(string name, JsonElement value) => Unsupported.Contains(name) && (
        value.ValueKind is JsonValueKind.Null or JsonValueKind.False
        || (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0)
        || (name == "modalities" && value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 1
            && value[0].ValueKind == JsonValueKind.String && value[0].ValueEquals("text"))
        || (name == "best_of" && value.ValueKind == JsonValueKind.Number && value.GetRawText() == "1"));

    private static void CheckFormat(JsonElement body)
    {
        const string Field = "response_format";
        if (Fields.Element(body, Field, JsonValueKind.Object) is not { } format)
            return;
        string type = Fields.String(format, "type")
            ?? throw new RequestException(Field, "it has no type; text is served, or leave it out");
        if (type != "text")
            throw new RequestException(Field, $"type '{Fields.Short(type)}' is not served; text is");
    }

    private static string Unknown(string name, string[] own)
    {
        string? near = NearestName.Of(
            name, [.. own, .. Sampling], within: Math.Clamp(name.Length / 2, 1, 3));
        return near is null ? "there is no such field; leave it out"
            : $"there is no such field; did you mean '{near}'?";
    }
}
