using System.Text.Json;

namespace PdEngine.Host;

/// <summary>
/// The names that a body may have. One that is not known is an error, since it may be a known one misspelt,
/// whose answer would silently be another.
/// </summary>
internal static class BodyFields
{
    private static readonly string[] ActedOn =
    [
        "id", "rid", "text", "input_ids", "messages", "tools", "chat_template_kwargs", "parse_added_tokens",
        "sampling_params", "return_logprob", "logprob_start_len", "top_logprobs_num",
        "return_text_in_logprobs", "priority", "routing_key", "session_id", "min_weight_version",
        "exact_weight_version",
    ];

    /// <summary>SGLang's, that change no answer: of logs, streams and addresses.</summary>
    private static readonly string[] Harmless =
    [
        "stream", "incremental_streaming_output", "model", "log_metrics", "no_logs", "custom_labels",
        "background", "conversation_id", "extra_key",
        "validation_time", "received_time", "external_trace_header", "data_parallel_rank", "routed_dp_rank",
        "disagg_prefill_dp_rank", "bootstrap_host", "bootstrap_port", "bootstrap_room", "bootstrap_pair_key",
    ];

    /// <summary>
    /// Those that would change the answer and are not served here; null, false and an empty list pass.
    /// </summary>
    private static readonly string[] Unsupported =
    [
        "image_data", "audio_data", "video_data", "modalities", "input_embeds", "lora_path", "lora_id",
        "session_params", "return_hidden_states", "return_routed_experts", "routed_experts_start_len",
        "return_entropy", "return_bytes", "return_prompt_token_ids", "custom_logit_processor",
        "token_ids_logprob", "require_reasoning", "use_audio_in_video", "response_format", "json_schema",
        "regex", "ebnf", "weight_version", "tool_choice",
    ];

    public static void Check(string name, JsonElement value)
    {
        if (ActedOn.Contains(name) || Harmless.Contains(name))
            return;
        if (!Unsupported.Contains(name))
            throw new RequestException(Fields.Short(name), $"there is no such field; {Advice(name)}");
        bool isOff = value.ValueKind is JsonValueKind.Null or JsonValueKind.False
            || (value.ValueKind is JsonValueKind.Array && value.GetArrayLength() == 0);
        if (!isOff)
            throw new RequestException(name, "it is not served here; leave it out");
    }

    private static string Advice(string name)
    {
        if (SamplingBody.Knows(name))
            return "it goes into sampling_params";
        string? near = name == "prompt"
            ? "text"
            : NearestName.Of(name, [.. ActedOn, .. Harmless], within: Math.Clamp(name.Length / 2, 1, 3));
        return near is null ? $"leave it out, or use one of {string.Join(", ", ActedOn)}"
            : $"did you mean '{near}'?";
    }
}
