using System.Text;
using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Shows a diagnosis as lines of text or as JSON.</summary>
internal static class DiagnosisReport
{
    public static void Print(TextWriter output, Diagnosis diagnosis)
    {
        HostFacts host = diagnosis.Host;
        Line(output, "system", $"{host.System ?? "unknown"}, {host.Kernel}");
        Line(output, "CPU", $"{host.Cpu ?? "unknown"}; {host.Cores} of {host.OnlineCores ?? host.Cores} cores"
            + (host.NumaNodes > 1 ? $", {host.NumaNodes} memory domains" : ""));
        foreach (IsaFact isa in diagnosis.Isas)
        {
            string taken = isa.Name == diagnosis.AutoIsa ? " (auto)" : "";
            Line(output, isa.Name, isa.WhyNot is null ? $"yes{taken}" : $"no: {isa.WhyNot}");
        }
        Line(output, "kernels", host.Library ?? "not loaded");
        Line(output, "memory", $"{Shown.Bytes(host.FreeBytes)} free"
            + (host.MemoryBytes is { } all ? $" of {Shown.Bytes(all)}" : ""));
        Line(output, "huge pages", host.HugePages ?? "unknown");
        Line(output, "open files", host.OpenFiles is { } files ? $"{files}" : "unknown");
        Line(output, "OpenSSL", host.HasOpenSsl ? "yes" : "no");
        if (diagnosis.Limits is { } limits)
        {
            Line(output, "products", $"{Giga(limits.FmaFlopsPerSecond)} GFLOP/s in float32"
                + Also(limits.Bf16FlopsPerSecond, "in bf16 dot products")
                + Also(limits.AmxFlopsPerSecond, "in AMX tiles")
                + Also(limits.VnniOpsPerSecond, "of int8"));
            Line(output, "reads", $"{Giga(limits.ReadBytesPerSecond)} GB/s: 1 GB of weights decodes at most "
                + $"{Giga(limits.ReadBytesPerSecond)} tokens/s for one stream");
        }
        Line(output, "CUDA driver", diagnosis.Cuda.Driver ?? "none");
        foreach (SurveyedGpu gpu in diagnosis.Cuda.Gpus)
        {
            Line(output, $"cuda:{gpu.Ordinal}", gpu.WhyNot ?? $"{gpu.Name}, {Shown.Bytes(gpu.TotalBytes)}, "
                + $"compute capability {gpu.Capability / 10}.{gpu.Capability % 10}");
        }
        foreach (SurveyedLibrary library in diagnosis.Cuda.Libraries)
            Line(output, library.Name, library.File ?? "not found (nothing here needs it)");
        foreach (Finding finding in diagnosis.Findings)
        {
            output.WriteLine($"{(finding.IsFatal ? "missing" : "note")}: {finding.What}");
            output.WriteLine($"  {finding.Remedy}");
        }
    }

    public static string Json(Diagnosis diagnosis)
    {
        using MemoryStream text = new();
        using (Utf8JsonWriter json = new(text, AnswerWriter.Style))
        {
            json.WriteStartObject();
            json.WriteBoolean("can_compute", diagnosis.CanCompute);
            WriteHost(json, diagnosis.Host);
            json.WriteStartArray("isas");
            foreach (IsaFact isa in diagnosis.Isas)
            {
                json.WriteStartObject();
                json.WriteString("name", isa.Name);
                json.WriteBoolean("usable", isa.WhyNot is null);
                json.WriteString("why_not", isa.WhyNot);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteString("auto_isa", diagnosis.AutoIsa);
            if (diagnosis.Limits is { } limits)
                limits.Write(json, "limits");
            else
                json.WriteNull("limits");
            WriteCuda(json, diagnosis.Cuda);
            json.WriteStartArray("findings");
            foreach (Finding finding in diagnosis.Findings)
            {
                json.WriteStartObject();
                json.WriteBoolean("fatal", finding.IsFatal);
                json.WriteString("what", finding.What);
                json.WriteString("remedy", finding.Remedy);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length);
    }

    private static void WriteHost(Utf8JsonWriter json, HostFacts host)
    {
        json.WriteStartObject("host");
        json.WriteString("system", host.System);
        json.WriteString("kernel", host.Kernel);
        json.WriteString("cpu", host.Cpu);
        json.WriteNumber("cores", host.Cores);
        WriteNumber(json, "online_cores", host.OnlineCores);
        WriteNumber(json, "numa_nodes", host.NumaNodes);
        WriteNumber(json, "memory_bytes", host.MemoryBytes);
        json.WriteNumber("free_bytes", host.FreeBytes);
        json.WriteString("huge_pages", host.HugePages);
        WriteNumber(json, "open_files", host.OpenFiles);
        json.WriteString("kernels", host.Library);
        json.WriteBoolean("openssl", host.HasOpenSsl);
        json.WriteEndObject();
    }

    private static void WriteCuda(Utf8JsonWriter json, CudaSurvey cuda)
    {
        json.WriteStartObject("cuda");
        json.WriteString("driver", cuda.Driver);
        json.WriteString("why_none", cuda.WhyNone);
        json.WriteStartArray("gpus");
        foreach (SurveyedGpu gpu in cuda.Gpus)
        {
            json.WriteStartObject();
            json.WriteNumber("ordinal", gpu.Ordinal);
            json.WriteString("name", gpu.Name);
            json.WriteNumber("compute_capability", gpu.Capability);
            json.WriteNumber("memory_bytes", gpu.TotalBytes);
            json.WriteString("why_not", gpu.WhyNot);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartObject("libraries");
        foreach (SurveyedLibrary library in cuda.Libraries)
            json.WriteString(library.Name, library.File);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteNumber(Utf8JsonWriter json, string name, long? number)
    {
        if (number is { } known)
            json.WriteNumber(name, known);
        else
            json.WriteNull(name);
    }

    private static void Line(TextWriter output, string name, string text) =>
        output.WriteLine($"{name,-12} {text}");

    private static string Giga(double? rate) => rate is { } value ? $"{value / 1e9:F0}" : "no";

    private static string Also(double? rate, string what) => rate is null ? "" : $", {Giga(rate)} {what}";
}
