using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// The kernels as a GPU takes them: built for its very capability, else for one that it is compatible with,
/// else compiled here and now, else PTX, which the driver compiles as it loads it.
/// </summary>
internal sealed class CudaImages
{
    private CudaImages(IReadOnlyList<byte[]> all, string origin)
    {
        All = all;
        Origin = origin;
    }

    /// <summary>One for each source; PTX ends with a zero byte.</summary>
    public IReadOnlyList<byte[]> All { get; }

    /// <summary>What they are, for whoever asked.</summary>
    public string Origin { get; }

    /// <exception cref="BackendException">There are none; the message says for what there are.</exception>
    public static CudaImages For(CudaDevice device, CudaOptions options)
    {
        CudaImageStore store = new(options.ImagesFolder);
        CudaTarget target = BestOf(store, device);
        return (target.IsVirtual ? Compiled(device.Capability, options) : null) ?? Stored(store, target);
    }

    /// <exception cref="BackendException">There are none; the message says for what there are.</exception>
    public static void ThrowIfNone(CudaDevice device) =>
        BestOf(new CudaImageStore(new CudaOptions().ImagesFolder), device);

    /// <summary>Images of a capability, compiled or from the cache; null where there is no compiler for it.
    /// </summary>
    public static CudaImages? Compiled(int capability, CudaOptions options)
    {
        string target = $"sm_{capability}";
        CudaImageCache cache = new(options.CacheFolder);
        Nvrtc? compiler = null;
        List<byte[]> images = [];
        foreach (string name in CudaSources.Names)
        {
            string text = CudaSources.TextOf(name);
            string hash = CudaSources.HashOf(text, target);
            byte[]? image = cache.Find(target, name, hash);
            if (image is null)
            {
                compiler ??= Compiler(capability, options.CompilerPath);
                if (compiler is null)
                    return null;
                image = compiler.Compile($"{name}.cu", text, target, CudaSources.Flags).Cubin;
                cache.Add(target, name, hash, image);
            }
            images.Add(image);
        }
        string how = compiler is null ? "compiled before" : $"compiled by {compiler.Path}";
        return new(images, $"{target} {how}");
    }

    private static Nvrtc? Compiler(int capability, string? path)
    {
        try
        {
            Nvrtc compiler = Nvrtc.Open(path);
            return compiler.Capabilities.Contains(capability) ? compiler : null;
        }
        catch (CudaException) when (path is null)
        {
            return null;
        }
    }

    private static CudaTarget BestOf(CudaImageStore store, CudaDevice device)
    {
        CudaTarget[] targets = [.. store.Targets()];
        CudaTarget? best = targets.Where(target => target.RunsOn(device.Capability))
            .MaxBy(target => (!target.IsVirtual, target.Capability));
        if (best is not null)
            return best;
        string known = string.Join(", ", targets.Select(target => target.Name));
        throw new BackendException(
            $"GPU {device.Ordinal} ({device.Name}) is of compute capability {device.Capability / 10}."
            + $"{device.Capability % 10}, and there are images of the kernels for "
            + $"{(known.Length == 0 ? "nothing" : known)}. Compute on the CPU.");
    }

    private static CudaImages Stored(CudaImageStore store, CudaTarget target) =>
        new([.. CudaSources.Names.Select(name => store.Read(target, name))], store.Describe(target));
}
