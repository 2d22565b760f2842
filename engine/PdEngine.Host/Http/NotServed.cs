using Microsoft.AspNetCore.Http;

namespace PdEngine.Host;

/// <summary>Routes of SGLang's that are not here, and what to use.</summary>
internal static class NotServed
{
    private const string Push =
        "push weights with /update_weights_from_tensor (base64 safetensors), or from a folder with "
        + "/update_weights_from_disk";

    private const string Profile =
        "use dotnet-trace or perf on the process, /metrics, or 'pdengine bench'";

    private const string Adapters =
        "LoRA adapters are not there; merge the adapter into the weights and push those";

    public static IEnumerable<(string Path, string Instead)> Paths { get; } =
    [
        ("/init_weights_update_group", Push), ("/destroy_weights_update_group", Push),
        ("/update_weights_from_distributed", Push), ("/update_weights_from_ipc", Push),
        ("/init_weights_send_group_for_remote_instance", Push), ("/send_weights_to_remote_instance", Push),
        ("/get_remote_instance_transfer_engine_info", Push), ("/remote_instance_transfer_engine_info", Push),
        ("/begin_weight_update", Push), ("/end_weight_update", Push), ("/post_process_weights", Push),
        ("/begin_weights_update", Push), ("/end_weights_update", Push), ("/pull_weights", Push),
        ("/pull_weights_from_remote", Push), ("/get_weights_by_name", "compare states with /weights_checker"),
        ("/start_profile", Profile), ("/stop_profile", Profile),
        ("/load_lora_adapter", Adapters), ("/load_lora_adapter_from_tensors", Adapters),
        ("/unload_lora_adapter", Adapters),
    ];

    public static Route Route(string path, string instead) => new(
        [HttpMethods.Get, HttpMethods.Post, HttpMethods.Put], Access.Ordinary,
        _ => throw new HttpRefusal(501, "not_implemented_error", $"{path} is not served here: {instead}"));
}
