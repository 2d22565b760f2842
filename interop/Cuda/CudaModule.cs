using System.Text;

namespace PdEngine.Interop;

/// <summary>Kernels of one image, loaded into a context.</summary>
internal sealed unsafe class CudaModule : CudaHandle
{
    private const int MaxDynamicSharedBytes = 8;

    /// <param name="context">Where they run.</param>
    /// <param name="image">A cubin, or PTX that ends with a zero byte.</param>
    /// <exception cref="CudaException">The image is not for this GPU.</exception>
    public CudaModule(CudaContext context, ReadOnlySpan<byte> image)
        : base(context)
    {
        context.MakeCurrent();
        nint made = 0;
        fixed (byte* first = image)
            Own(Api.cuModuleLoadDataEx(&made, first, 0, null, null), made, "cuModuleLoadDataEx");
    }

    /// <summary>Whether it has a kernel of this name.</summary>
    public bool Has(string name)
    {
        nint function = 0;
        fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0'))
            return Api.cuModuleGetFunction(&function, handle, text) == CudaResult.Success;
    }

    /// <summary>A kernel by its name; good until the module is disposed.</summary>
    /// <param name="name">Of its entry.</param>
    /// <param name="parameterBytes">Of its one parameter.</param>
    /// <param name="sharedBytes">Most dynamic shared memory that it will be launched with.</param>
    /// <exception cref="CudaException">It is not there, or takes something else.</exception>
    public CudaFunction Function(string name, int parameterBytes, int sharedBytes)
    {
        nint function = 0;
        fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0'))
        {
            CudaResult found = Api.cuModuleGetFunction(&function, handle, text);
            if (found != CudaResult.Success)
                throw Context.Driver.Failure(found, $"cuModuleGetFunction {name}");
        }
        if (Api.cuFuncGetParamInfo != null)
        {
            nuint offset = 0, bytes = 0;
            Context.Driver.ThrowIfFailed(Api.cuFuncGetParamInfo(function, 0, &offset, &bytes));
            if (bytes != (nuint)parameterBytes)
            {
                throw new CudaException(
                    CudaResult.InvalidImage,
                    $"Kernel {name} takes {bytes} bytes of arguments, not {parameterBytes}.");
            }
        }
        if (sharedBytes > 48 * 1024)
            Context.Driver.ThrowIfFailed(
                Api.cuFuncSetAttribute(function, MaxDynamicSharedBytes, sharedBytes));
        return new CudaFunction(function);
    }

    private protected override CudaResult Free(nint owned) => Api.cuModuleUnload(owned);
}

/// <summary>A kernel of a module.</summary>
internal readonly record struct CudaFunction(nint Address);
