package lambda

import model "thaw/internal/awsapi/gen/lambda"

// Configs are what is set for functions beside their versions.
type Configs interface {
	Concurrency
	Provisioned
	EventInvoke
	URLs
	Management
	Scaling
	Tags
}

// configOperations are the operations on Configs.
func (h *Handler) configOperations() map[string]operation {
	return map[string]operation{
		model.OpPutFunctionConcurrency:             h.putFunctionConcurrency,
		model.OpGetFunctionConcurrency:             h.getFunctionConcurrency,
		model.OpDeleteFunctionConcurrency:          h.deleteFunctionConcurrency,
		model.OpPutProvisionedConcurrencyConfig:    h.putProvisionedConcurrencyConfig,
		model.OpGetProvisionedConcurrencyConfig:    h.getProvisionedConcurrencyConfig,
		model.OpListProvisionedConcurrencyConfigs:  h.listProvisionedConcurrencyConfigs,
		model.OpDeleteProvisionedConcurrencyConfig: h.deleteProvisionedConcurrencyConfig,
		model.OpGetAccountSettings:                 h.getAccountSettings,
		model.OpPutFunctionEventInvokeConfig:       h.putFunctionEventInvokeConfig,
		model.OpUpdateFunctionEventInvokeConfig:    h.updateFunctionEventInvokeConfig,
		model.OpGetFunctionEventInvokeConfig:       h.getFunctionEventInvokeConfig,
		model.OpListFunctionEventInvokeConfigs:     h.listFunctionEventInvokeConfigs,
		model.OpDeleteFunctionEventInvokeConfig:    h.deleteFunctionEventInvokeConfig,
		model.OpCreateFunctionUrlConfig:            h.createFunctionUrlConfig,
		model.OpUpdateFunctionUrlConfig:            h.updateFunctionUrlConfig,
		model.OpGetFunctionUrlConfig:               h.getFunctionUrlConfig,
		model.OpListFunctionUrlConfigs:             h.listFunctionUrlConfigs,
		model.OpDeleteFunctionUrlConfig:            h.deleteFunctionUrlConfig,
		model.OpPutFunctionRecursionConfig:         h.putFunctionRecursionConfig,
		model.OpGetFunctionRecursionConfig:         h.getFunctionRecursionConfig,
		model.OpPutRuntimeManagementConfig:         h.putRuntimeManagementConfig,
		model.OpGetRuntimeManagementConfig:         h.getRuntimeManagementConfig,
		model.OpPutFunctionScalingConfig:           h.putFunctionScalingConfig,
		model.OpGetFunctionScalingConfig:           h.getFunctionScalingConfig,
		model.OpTagResource:                        h.tagResource,
		model.OpUntagResource:                      h.untagResource,
		model.OpListTags:                           h.listTags,
	}
}
